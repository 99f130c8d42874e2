import numpy as np
import pytest

from ml import labels
from ml.datasets import face_set, utkface
from ml.measuring import measures, stored
from ml.measuring.predictions import Predictions
from ml.reporting import evaluation_text


def one_hot(attribute: str, *names: str) -> np.ndarray:
    fine = labels.ATTRIBUTES[attribute]
    return np.eye(len(fine))[[fine.index(name) for name in names]]


def test_fine_vectors_are_measured_in_utkfaces_groups():
    names = ("26_1_2_a.jpg", "5_0_4_b.jpg", "75_1_0_c.jpg", "35_0_1_d.jpg")  # Asian, Others, White, Black
    examples = [utkface.read_example(name) for name in names]
    faces = face_set.FaceSet(
        images=np.zeros((4, 8, 8, 3), dtype=np.uint8),
        targets={name: np.array([e.targets[name] for e in examples if e]) for name in labels.ATTRIBUTES},
        files=names,
        classes=utkface.utkface_classes(),
        years=np.array([26.0, 5.0, 75.0, 35.0]),
    )
    vectors = {
        "race": one_hot("race", "Southeast Asian", "Middle Eastern", "White", "White"),
        "gender": one_hot("gender", "Female", "Male", "Male", "Male"),
        "age": one_hot("age", "20-29", "3-9", "60-69", "50-59"),
    }
    years = vectors["age"] @ np.array(labels.scale_of("age").centres)
    predictions = Predictions("fine", names, vectors, face_set.fine_classes(), years)
    measured = measures.measure(predictions, faces)
    told = "years off by age: 3-9 1.0, 20-29 1.5, 30-39 19.5, more than 70 10.5"
    assert told in evaluation_text.summarise(measured)
    report = stored.write_measures(measured)
    assert (report["race"]["grouping"], report["race"]["accuracy"]) == ("utkface-5", 0.75)
    assert report["race"]["by_taxonomy"] == {"utkface-5": 0.75, "utkface-4": pytest.approx(2 / 3, abs=1e-4)}
    assert report["race"]["taxonomies"]["utkface-4"]["recall"] == {
        "White": 1.0,
        "Black": 0.0,
        "Asian": 1.0,
        "Indian": None,
    }
    assert report["gender"]["accuracy"] == 0.75
    # Bins 3, 1, 7 for 8, 6 for 4; centres 24.5, 6, 64.5 and 54.5 years.
    age = report["age"]
    assert (age["accuracy"], age["within_one_bin"]) == (0.5, 0.75)
    assert age["mean_absolute_error_years"] == round((1.5 + 1 + 10.5 + 19.5) / 4, 2)
