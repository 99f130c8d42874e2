"""What must not grow with the number of photos: the plans of PostgreSQL, and the command that measures it."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from classifier.management import generated_rows
from classifier.management.commands import measure_growth
from classifier.models import Face, Guess, Photo, Prediction, Review, State
from classifier.services import analysis, summaries, workers
from classifier.services.paging import find_neighbours, read_page
from classifier.services.reviews import drawing, queues, serving, standing
from ml import labels
from tests import factories
from tests.services.reviews import made_up

PHOTOS = 6_000


@pytest.fixture
def on_postgres():
    if connection.vendor != "postgresql":
        pytest.skip("needs DATABASE_URL to name a PostgreSQL server")


@pytest.fixture
def large(on_postgres, transactional_db):
    (large,) = generated_rows.make_collections("Large")
    generated_rows.fill(large, photos=PHOTOS)
    return large


def rows_read(plan: dict, *, of: type[Model]) -> int:
    """How many photos, or rows of another table, a part of a plan and what is below it looked at."""
    below = sum(rows_read(part, of=of) for part in plan.get("Plans", ()))
    if plan.get("Relation Name") != of._meta.db_table or "Scan" not in plan["Node Type"]:
        return below
    return below + plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))


def most_rows_read(step, *, of: type[Model] = Photo) -> int:
    """By the one query of a step that reads most, but for those that count."""
    with CaptureQueriesContext(connection) as captured:
        step()
    told = [query["sql"] for query in captured if query["sql"].lstrip("(").startswith(("SELECT", "UPDATE"))]
    counts = []
    for sql in (sql for sql in told if "COUNT(" not in sql or of is not Photo):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            ((explained,),) = cursor.fetchall()
            counts.append(rows_read(explained[0]["Plan"], of=of))
            transaction.set_rollback(True)
    assert counts
    return max(counts)


@pytest.mark.postgres
def test_generated_rows_are_photos_with_faces_and_answers(large):
    generated_rows.fill(large, photos=PHOTOS + 20)
    photos = Photo.objects.filter(collection=large)
    assert photos.count() == photos.values("uid").distinct().count() == PHOTOS + 20
    assert photos.filter(state=State.DONE).count() == photos.filter(state=State.QUEUED).count() == PHOTOS / 2 + 10
    assert Face.objects.filter(photo__state=State.DONE).count() == PHOTOS / 2 + 10
    groups = Guess.objects.filter(attribute="race").values_list("label", flat=True)
    assert len(groups) == Prediction.objects.count() == PHOTOS / 2 + 10
    assert set(groups) == set(labels.RACE)


@pytest.mark.postgres
def test_neither_a_claim_nor_a_page_of_the_gallery_reads_many_photos(large):
    steps = measure_growth.name_steps(large, small=large)
    pages = ("gallery", "gallery, somewhere inside", "gallery, most faces first", "gallery, by name")
    middle = large.photos.order_by("-received_at")[PHOTOS // 2]
    waited = {"claim": partial(Photo.objects.claim, limit=8), **{what: steps[what] for what in pages}}
    waited["next to a photo"] = partial(find_neighbours, large.photos.all(), row=middle)
    waited["whether the queue moves"] = workers.readiness
    waited["whether there is work"] = analysis.has_work
    waited["failed ones"] = partial(read_page, large.photos.filter(state=State.FAILED), order="-received_at")
    waited["since when photos wait"] = partial(summaries.measure_run, large)
    assert {what: count for what, step in waited.items() if (count := most_rows_read(step)) > 200} == {}
    # As after a long night: nothing waits, nothing was done of late.
    long_ago = timezone.now() - timedelta(days=1)
    Photo.objects.pending().update(state=State.DONE, started_at=long_ago, finished_at=long_ago)
    Photo.objects.filter(pk=middle.pk).update(state=State.QUEUED)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    assert most_rows_read(workers.readiness) < 200


@pytest.mark.postgres
def test_a_reviewer_who_has_answered_much_waits_for_no_statistics(on_postgres, transactional_db, alice):
    """PostgreSQL looks at new rows after a minute; until then it takes any index that seems to fit."""
    collection = factories.CollectionFactory(owner=alice)
    made_up.add_faces(collection, ["White"] * 300)
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=250)
    answered = list(draw.drawn_faces.values_list("face", flat=True)[:200])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE classifier_review")  # its last look was at an empty table
    for uid in (alice.uid, *(uuid4() for _ in range(9))):
        said = {"draw": draw, "reviewer_uid": uid, "was_blind": True, "answers": {"race": "White"}}
        Review.objects.bulk_create(Review(face_id=pk, **said) for pk in answered)
    steps = (
        partial(serving.next_faces, draw, reviewer=alice),
        partial(standing.count_waiting_draws, alice),
        lambda: queues.leave_out_drawn(Face.objects.all(), reviewer=alice).first(),
    )
    assert max(most_rows_read(step, of=Review) for step in steps) <= 10 * 250


@pytest.mark.postgres
def test_the_measures_are_told_for_each_number_of_photos(on_postgres, transactional_db):
    told = []
    found = measure_growth.measure([20, 60], tell=told.append, pages=2)
    assert found == told
    assert [timing.rows for timing in found] == [20] * (len(found) // 2) + [60] * (len(found) // 2)
    assert {"claim of a batch", "gallery", "list of collections"} < {timing.what for timing in found}
    assert all(0 < timing.database_ms <= timing.p95_ms + timing.median_ms for timing in found)


@pytest.mark.postgres
def test_the_command_leaves_the_sites_own_rows_alone(on_postgres, transactional_db, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure_growth, "CLAIMS", 2)
    monkeypatch.setattr(measure_growth, "PAGES", 1)
    photo = factories.make_photo(factories.CollectionFactory())
    call_command("measure_growth", "--rows", "20", "--json", str(tmp_path / "growth.json"))
    assert "20 photos  claim of a batch" in capsys.readouterr().out
    assert {row["rows"] for row in json.loads((tmp_path / "growth.json").read_text())} == {20}
    assert list(Photo.objects.all()) == [photo]


@pytest.fixture
def beside(on_postgres, transactional_db):
    """The database that the command would make, made by somebody else."""
    name = f"{connection.settings_dict['NAME']}{generated_rows.DATABASE_SUFFIX}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.mark.postgres
def test_a_database_of_somebody_else_is_not_replaced(beside):
    with pytest.raises(CommandError, match=f"a database {beside} that was not made for measuring"):
        call_command("measure_growth", "--rows", "20")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [beside])
        assert cursor.fetchone() == (1,)


@pytest.mark.postgres
def test_a_database_that_an_interrupted_run_left_is_replaced(beside):
    site = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE {beside} IS '{generated_rows.DATABASE_MARK}'")
    with generated_rows.own_database():
        assert connection.settings_dict["NAME"] == beside
        assert not Photo.objects.exists()
    assert connection.settings_dict["NAME"] == site


@pytest.mark.django_db
def test_growth_is_not_measured_without_postgres():
    if connection.vendor == "postgresql":
        pytest.skip("this is PostgreSQL")
    with pytest.raises(CommandError, match="DATABASE_URL names no PostgreSQL"):
        call_command("measure_growth")


@pytest.mark.django_db
def test_what_was_counted_of_many_photos_is_told_again_for_a_while(collection, monkeypatch):
    monkeypatch.setattr(summaries, "LARGE_PHOTOS", 2)
    monkeypatch.setattr(summaries, "COUNTED_PER_SECOND", 0.01)

    def tell():
        (summary,) = summaries.summarise([collection])
        run = summaries.measure_run(collection)
        return summary.counts.photos, summary.counts.queued, run.total

    first = factories.make_photo(collection, state=State.QUEUED)
    early = first.queued_at - timedelta(hours=1)
    factories.make_face(factories.make_photo(collection, queued_at=early))
    assert tell() == (2, 1, 1)
    factories.make_face(factories.make_photo(collection, queued_at=early))
    for _ in range(2):
        factories.make_photo(collection, state=State.QUEUED)
    assert tell() == (5, 3, 3)
    factories.make_face(factories.make_photo(collection, queued_at=early))
    factories.make_photo(collection, state=State.QUEUED)
    assert tell() == (5, 3, 3)
    cache.clear()
    assert tell() == (7, 4, 4)


def test_reports_are_measured_where_the_site_keeps_its_rows(tmp_path):
    """In a process of its own: the command forks, and takes a database of its own beside the site's."""
    told = tmp_path / "measures.json"
    environment = {**os.environ, "FACET_DATA": str(tmp_path), "DEBUG": "1"}
    command = [sys.executable, "manage.py", "measure_reports", "--faces", "60", "--json", told]
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    measures = json.loads(told.read_text())
    assert [row["what"] for row in measures if row["ms"] <= 0 or row["peak_mb"] < 10] == []
    assert {row["faces"] for row in measures} == {60}
    assert "the summary of the report" in result.stdout
