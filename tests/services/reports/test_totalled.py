"""The report of an aggregate-only collection: what an ordinary one of the same photos tells, and only sums."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

from classifier.models import Aggregate, Collection, Face, KeptReport, ModelVersion, Photo, State
from classifier.services import analysis, collections, predictions
from classifier.services.reports import caching, exporting, keeping, reading
from classifier.services.reports.questions import Question
from ml.shares import totals
from ml.shares.merging import LEAST
from tests import factories, fakes
from tests.sums import add, take_photos

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_resamples():
    """Here the width of intervals is looked at."""


@pytest.fixture
def version() -> ModelVersion:
    found = factories.ModelVersionFactory()
    factories.give_evidence(found)
    return found


@pytest.fixture
def sums_only(alice) -> Collection:
    return collections.create_collection(alice, name="Sums", purpose="who is on them", is_aggregate_only=True)


def keep_photos(collection, photos, *, version):
    """The same photos in an ordinary collection, as a worker stores them."""
    rows = Photo.objects.bulk_create(
        Photo(
            owner=collection.owner, collection=collection, name=f"{n}.jpg", sha256=f"{n}", width=320, height=240,
            state=State.DONE, model_version=version, image=f"{n}.jpg", thumbnail=f"{n}.jpg",
        )
        for n in range(len(photos))
    )  # fmt: skip
    box = {"x1": 40.0, "y1": 30.0, "x2": 120.0, "y2": 130.0, "detection": 0.99}
    faces = Face.objects.bulk_create(
        Face(photo=photo, number=number, size_px=of.size_px, **box, **factories.PLAIN_FACE)
        for photo, found in zip(rows, photos, strict=True)
        for number, of in enumerate(found, start=1)
    )
    vectors = [of.probabilities for found in photos for of in found]
    predictions.store_predictions(dict(zip(faces, vectors, strict=True)), model_version=version, are_first=True)


def ask(collection, user, **asked) -> caching.Answer:
    fresh = Collection.objects.get(pk=collection.pk)
    return caching.read_answer(fresh, question=Question(**{"taxonomy": fresh.taxonomy, **asked}), user=user)


def test_it_tells_the_shares_of_an_ordinary_collection_with_their_intervals(
    alice, collection, sums_only, version, monkeypatch
):
    rng, draw = np.random.default_rng(6), totals.draw_weights
    monkeypatch.setattr(totals, "draw_weights", lambda fresh: draw(rng))
    even = take_photos(160, race=(0.3, 0.2, 0.15, 0.1, 0.1, 0.1, 0.05))
    add(sums_only, even, version=version)
    assert Aggregate.objects.get().told_faces >= Aggregate.objects.get().faces - LEAST
    faces = Aggregate.objects.get().told_faces
    so_far = np.cumsum([len(of) for of in even])
    keep_photos(collection, even[: int(np.searchsorted(so_far, faces)) + 1], version=version)
    told, kept = ask(sums_only, alice).report, ask(collection, alice).report
    assert (told.faces, told.photos_with_faces, told.basis) == (kept.faces, kept.photos_with_faces, "adjusted")
    assert [table.name for table in told.tables] == [table.name for table in kept.tables]
    for one, other in zip(told.tables, kept.tables, strict=True):
        assert [row.label for row in one.rows] == [row.label for row in other.rows]
        for row, same in zip(one.rows, other.rows, strict=True):
            assert (row.n, row.raw, row.share) == pytest.approx((same.n, same.raw, same.share))
            ranges = [(of.sensitivity_low, of.sensitivity_high) for of in (row, same)]
            assert ranges[0] == pytest.approx(ranges[1])
            assert (row.low, row.high) == pytest.approx((same.low, same.high), abs=0.02)
        assert one.cautions == other.cautions


def test_no_number_under_ten_is_told_in_any_grouping_or_file(alice, sums_only, version):
    add(sums_only, take_photos(60), version=version)
    counts = np.array(Aggregate.objects.get().told["sums"]["race"]["counts"])
    assert (counts < LEAST).sum() >= 3
    for taxonomy in ("fairface-7", "fairface-6", "utkface-5", "utkface-4", "list-5"):
        found = ask(sums_only, alice, taxonomy=taxonomy)
        report = found.report
        rows = [row for table in (*report.tables, *report.crossings) for row in table.rows]
        assert all(row.n >= LEAST for row in rows)
        (race,) = [table for table in report.tables if table.name == "race"]
        assert race.rows[-1].label == "all others"
        assert "“All others” of race are" in " ".join(report.notes)
        assert (report.cells, report.photos_with, report.widths, report.quality) == (None, {}, {}, ())
        lines = exporting.write_report(found.values, kind="csv").splitlines()
        assert not [line for line in lines if "Middle Eastern" in line or "Indian" in line]
        assert "told together" in exporting.write_report(found.values, kind="html")


def test_where_nothing_can_be_told_the_reason_stands_there(alice, sums_only, version):
    assert ask(sums_only, alice).nothing == reading.NO_PHOTOS
    add(sums_only, take_photos(1), version=version)
    assert "from 10 faces of several photos on" in ask(sums_only, alice).nothing
    ModelVersion.objects.get().evidence.delete()
    add(sums_only, take_photos(20, seed=2), version=version)
    assert "does not carry how it errs" in ask(sums_only, alice).nothing


def test_one_label_alone_would_tell_how_few_the_others_are(alice, sums_only, version):
    add(sums_only, take_photos(30, race=(1, 0, 0, 0, 0, 0, 0)), version=version)
    found = ask(sums_only, alice).report
    assert [table.name for table in found.tables] == ["gender", "age"]
    assert "Nothing is told of race: some labels were counted for fewer than 10 faces." in found.notes


def test_two_reports_differ_in_ten_faces_of_several_photos_at_least(alice, sums_only, version):
    photos = take_photos(70, seed=4)
    seen = []
    for place in range(70):
        add(sums_only, photos[place : place + 1], version=version)
        if place > 20 and place % 3 == 0:
            values = ask(sums_only, alice).values
            seen.append((values["faces"], values["photos_with_faces"], json.dumps(values, sort_keys=True)))
    for before, after in pairwise(seen):
        assert after == before or (after[0] - before[0] >= LEAST and after[1] - before[1] >= 3)
    assert len(set(seen)) > 5


def test_a_kept_report_holds_no_more(alice, sums_only, version):
    add(sums_only, take_photos(60), version=version)
    found = ask(sums_only, alice)
    question = Question(taxonomy="fairface-7")
    keeping.keep_report(sums_only, values=found.values, question=question, title="Sums", user=alice)
    (kept,) = KeptReport.objects.all()
    numbers = [row["n"] for table in kept.values["attributes"].values() for row in table["rows"]]
    assert min(numbers) >= LEAST


def test_two_model_versions_stand_beside_each_other(alice, sums_only, version):
    other = factories.ModelVersionFactory(name="facet-next", sha256="e" * 64, status="candidate")
    factories.give_evidence(other)
    add(sums_only, take_photos(60), version=version)
    add(sums_only, take_photos(30, seed=2), version=other)
    found = ask(sums_only, alice).report
    assert found.grouped_by == "model version"
    assert [of.value for of in found.groups] == ["facet-test", "facet-next"]
    assert found.faces == found.groups[0].faces > found.groups[1].faces
    assert exporting.write_report(ask(sums_only, alice).values, kind="html")


def test_another_collection_is_not_held_against_one_that_keeps_sums(alice, collection, sums_only, version):
    photos = take_photos(60)
    add(sums_only, photos, version=version)
    keep_photos(collection, photos, version=version)
    notes = ask(collection, alice, other=str(sums_only.uid)).values["notes"]
    assert "Not compared: Sums keeps only sums, which tell nothing of single faces." in notes


def test_filters_that_are_asked_all_the_same_narrow_nothing(alice, sums_only, version):
    add(sums_only, take_photos(60), version=version)
    plain = ask(sums_only, alice).values
    asked = ask(sums_only, alice, filters={"gender": "Female"}, narrowest_px=200, by="month").values
    assert asked == plain


def test_with_a_worker_and_a_database_it_is_asked_in_few_questions(
    alice, sums_only, version, django_assert_max_num_queries, monkeypatch
):
    monkeypatch.setattr(fakes.FakePipeline, "card", dataclasses.replace(fakes.CARD, sha256=version.sha256))
    for _ in range(12):
        factories.make_photo(sums_only, state=State.QUEUED)
    while analysis.run_once():
        pass
    with django_assert_max_num_queries(14):
        assert ask(sums_only, alice).state == "done"
