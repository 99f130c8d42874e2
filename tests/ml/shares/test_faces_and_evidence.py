import numpy as np
import pytest

from ml import labels
from ml.shares import counted, evidence, faces, schemes
from ml.shares.errors import BadInput, NoEvidence, NoFaces
from ml.shares.faces import Faces
from tests.ml.shares import worlds

GENDER = schemes.single("gender", classes=labels.GENDER)
FOUR = schemes.single("race", classes=labels.RACE, taxonomy="utkface-4")


def race_faces(vectors, *, with_vectors=True):
    vectors = np.asarray(vectors, dtype=np.float16)
    posteriors = {"race": vectors}
    predicted = faces.predict_from(posteriors)
    return Faces(np.arange(len(vectors)), {"race": labels.RACE}, predicted, posteriors if with_vectors else {})


def test_counted_labels_are_first_summed_then_the_largest():
    # East Asian 0.3 and Southeast Asian 0.3 outweigh White's 0.4; without the vectors White is all that is known.
    vectors = [[0.4, 0, 0, 0.3, 0.3, 0, 0]]
    assert counted.count_labels(race_faces(vectors), scheme=FOUR).counts.tolist() == [0, 0, 1, 0]
    assert counted.count_labels(race_faces(vectors, with_vectors=False), scheme=FOUR).counts.tolist() == [1, 0, 0, 0]


def test_faces_without_a_label_are_told_apart():
    latino, white = [0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]
    found = counted.count_labels(race_faces([latino, white, white], with_vectors=False), scheme=FOUR)
    assert (found.faces, found.unanswered, found.share.tolist()) == (2, 1, [1, 0, 0, 0])
    with pytest.raises(NoFaces):
        counted.count_labels(race_faces([latino], with_vectors=False), scheme=FOUR)


def test_unsure_faces_are_counted_with_their_label():
    faces = worlds.faces_of([0, 0, 1, 1, -1])
    found = counted.count_labels(faces, scheme=GENDER, unsure=np.array([True, False, True, True, True]))
    assert (found.counts.tolist(), found.unsure.tolist(), found.unanswered) == ([2, 2], [1, 2], 1)
    with pytest.raises(BadInput):
        counted.count_labels(faces, scheme=GENDER, unsure=np.ones(2, dtype=bool))


def test_all_126_cells_can_be_counted():
    everybody = [
        schemes.single(name, classes=of, taxonomy=name if name == "age" else None)
        for name, of in labels.ATTRIBUTES.items()
    ]
    cells = schemes.crossing(*everybody)
    one = Faces(
        np.array([0]), labels.ATTRIBUTES, {"race": np.array([1]), "gender": np.array([1]), "age": np.array([4])}
    )
    found = counted.count_labels(one, scheme=cells)
    assert len(found.labels) == 126
    assert found.labels[int(found.counts.argmax())] == "Black, Female, 30-39"


def test_no_face_is_an_error_with_a_name():
    with pytest.raises(NoFaces) as error:
        counted.count_labels(worlds.faces_of(np.zeros(0, dtype=int)), scheme=GENDER)
    assert error.value.code == "no_faces"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"predicted": {"gender": np.array([0, 1])}}, "lengths_differ"),
        ({"predicted": {"gender": np.array([0, 1, 2])}}, "no_such_class"),
        ({"predicted": {"gender": np.array([0.0, 1.0, 1.0])}}, "no_such_class"),
        ({"predicted": {"race": np.array([0, 1, 1])}}, "unknown_attribute"),
        ({"posteriors": {"gender": np.zeros((3, 3))}}, "lengths_differ"),
        ({"posteriors": {"age": np.zeros((3, 9))}}, "unknown_attribute"),
        ({"measures": {"sharpness": np.zeros(2)}}, "lengths_differ"),
        ({"width": np.zeros(4)}, "lengths_differ"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, code):
    good = {"photo": np.arange(3), "classes": worlds.TWO, "predicted": {"gender": np.array([0, 1, 1])}}
    with pytest.raises(BadInput) as error:
        Faces(**good | change)
    assert error.value.code == code


def test_an_attribute_that_was_not_predicted_cannot_be_counted():
    with pytest.raises(BadInput):
        counted.count_labels(worlds.faces_of([0, 1]), scheme=FOUR)


def test_confusions_have_predicted_rows_and_true_columns():
    assert evidence.count_confusions(worlds.KNOWN, scheme=GENDER).tolist() == [[900, 200], [100, 800]]
    columns = evidence.normalise_columns(np.array([[900, 200], [100, 800]]))
    assert columns.tolist() == [[0.9, 0.2], [0.1, 0.8]]


def test_evidence_says_what_the_collection_can_say():
    """A collection without probabilities is corrected by a matrix of labels, not of sums."""
    ages = schemes.single("age", classes=labels.AGE)
    vector = np.array([[0, 0, 0, 0.3, 0.3, 0.4, 0, 0, 0]])  # 20 to 39 by its sum, 40 to 59 by its largest
    posteriors = {"age": np.vstack([vector, np.eye(9)])}
    known = Faces(np.arange(10), {"age": labels.AGE}, faces.predict_from(posteriors), posteriors)
    found = evidence.Evidence(known, {"age": np.array([4, *range(9)])})
    without = Faces(np.arange(1), {"age": labels.AGE}, {"age": np.array([5])})
    assert evidence.count_confusions(found, scheme=ages)[2, 2] == 3
    assert evidence.count_confusions(found, scheme=ages, like=without)[3, 2] == 1


def test_evidence_survives_being_stored():
    before = worlds.race_evidence()
    after = evidence.unpack(evidence.pack(before), classes=before.faces.classes)
    assert after.fingerprint() == before.fingerprint()
    assert after.faces.measures["brightness"] == pytest.approx(before.faces.measures["brightness"], abs=1e-6)


def test_stored_probabilities_bring_the_labels():
    rng = np.random.default_rng(0)
    vectors = rng.dirichlet(np.ones(7), size=50).astype(np.float16)
    arrays = {"posterior_race": vectors, "true_race": rng.integers(0, 7, 50)}
    found = evidence.unpack(arrays, classes={"race": labels.RACE})
    assert (found.faces.predicted["race"] == vectors.argmax(axis=1)).all()
    assert evidence.pack(found)["posterior_race"].dtype == np.float16


def test_evidence_of_nothing_is_an_error_with_a_name():
    with pytest.raises(NoEvidence) as error:
        evidence.unpack({"true_race": np.zeros(3, dtype=int)}, classes={"race": labels.RACE})
    assert error.value.code == "no_matrix"


def test_a_matrix_needs_faces_of_every_class():
    with pytest.raises(NoEvidence) as error:
        evidence.count_confusions(worlds.evidence_of([[3, 0], [1, 0]]), scheme=GENDER)
    assert error.value.code == "class_without_faces"


def test_a_matrix_of_other_classes_corrects_nothing():
    other = worlds.faces_of([0, 1], classes={"gender": ("Man", "Woman")})
    with pytest.raises(NoEvidence) as error:
        evidence.count_confusions(worlds.KNOWN, scheme=GENDER, like=other)
    assert error.value.code == "other_classes"
