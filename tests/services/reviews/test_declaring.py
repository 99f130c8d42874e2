"""Labels from elsewhere that somebody declares to be a random draw: who said so is kept, and they make shares."""

import numpy as np
import pytest

from classifier.models import AuditEvent, Draw, Face, Review
from classifier.services.reviews import drawing, importing, progress, results
from classifier.services.reviews.refusals import BadDraw
from tests.services.reviews import made_up
from tests.services.reviews.test_reading import report_of, shares_of


def load(collection, actor, rows, *, header="file,reviewed_race,reviewer", **more):
    content = "\n".join([header, *rows]).encode()
    return importing.import_labels(
        collection, content=content, actor=actor, source="reference", is_random_draw=True, **more
    )


@pytest.fixture
def labelled(collection, alice) -> Draw:
    """400 faces, of which the model calls 300 White; 120 drawn elsewhere, by two people, who call 60 % of them so."""
    made_up.add_faces(collection, ["White"] * 300 + ["Black"] * 100)
    chosen = np.random.default_rng(3).choice(400, size=120, replace=False)
    rows = [
        f"{n}.jpg,{'White' if place % 5 < 3 else 'Black'},{'ann' if place % 2 else 'ben'}"
        for place, n in enumerate(chosen)
    ]
    draw = load(collection, alice, rows).draw
    assert draw is not None
    return draw


def test_a_declared_draw_names_who_said_so_and_makes_the_shares_of_the_report(labelled, collection):
    assert (labelled.declared_by, labelled.size, labelled.frame) == ("alice", 120, 400)
    assert set(labelled.drawn_faces.values_list("inclusion_probability", flat=True)) == {0.3}
    assert AuditEvent.objects.filter(action="draw declared", target=f"draw {labelled.uid}").exists()
    of = progress.measure_progress(labelled).of("race")
    assert (of.answered, of.waiting) == (120, 0)  # nobody's order of serving holds here
    report = report_of(collection)
    white = shares_of(report)["White"]
    assert white.estimator == "reviewed"
    assert shares_of(report, "gender")["Female"].estimator == "counted"  # of which nothing was said
    assert white.low < 0.6 < white.high < 0.75
    assert results.measure_agreement(labelled) == []


def test_a_part_of_a_file_is_the_draw_and_the_rest_feeds_no_statistics(collection, alice):
    made_up.add_faces(collection, ["White"] * 10)
    rows = [f"{n}.jpg,White,ann,{'yes' if n < 4 else ''}" for n in range(8)]
    found = load(collection, alice, rows, header="file,reviewed_race,reviewer,drawn")
    assert (found.rows, found.new, found.draw.size) == (8, 8, 4)
    assert Review.objects.in_draws().count() == 4
    assert Review.objects.filter(draw=None).count() == 4


def test_narrow_faces_stay_outside_and_a_file_without_any_drawn_face_is_refused_whole(collection, alice):
    made_up.add_faces(collection, ["White"] * 2, size_px=20)
    with pytest.raises(BadDraw) as refused:
        load(collection, alice, ["0.jpg,White,ann"])
    assert refused.value.code == "empty"
    made_up.add_faces(collection, ["White"])
    found = load(collection, alice, ["0.jpg,White,ann", "2.jpg,Black,ann"])
    assert (found.draw.size, found.new) == (1, 2)
    with pytest.raises(importing.BadFile) as refused:
        load(collection, alice, ["2.jpg,Black,ann,no"], header="file,reviewed_race,reviewer,drawn")
    assert refused.value.code == "nothing_drawn"
    assert Draw.objects.count() == 1
    assert Review.objects.standing().count() == 2


def test_nobody_draws_more_of_what_was_drawn_elsewhere(labelled, collection, alice):
    made_up.add_faces(collection, ["White"])
    for act in (drawing.enlarge_draw, drawing.extend_draw):
        with pytest.raises(BadDraw) as refused:
            act(labelled, size=1, actor=alice)
        assert refused.value.code == "declared"
    assert Face.objects.count() == 401
