"""The migrations fit the models and stand in one line."""

from importlib import import_module
from io import StringIO
from threading import Thread, Timer
from time import sleep
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test.utils import CaptureQueriesContext

from classifier import index_operations
from classifier.models import Job, Photo
from classifier.models.accounts import REVIEWERS

BEFORE_INDEXES, INDEXES = "0006", "0007"


@pytest.mark.django_db
def test_the_migrations_make_what_the_models_say():
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db
def test_the_migrations_stand_in_one_line():
    loader = MigrationLoader(connection)
    assert loader.detect_conflicts() == {}
    assert len(loader.graph.leaf_nodes("classifier")) == 1


@pytest.mark.django_db
def test_a_new_instance_has_the_group_that_makes_reviewers():
    from django.contrib.auth.models import Group

    Group.objects.filter(name=REVIEWERS).delete()  # there, unless a test before this one emptied the tables
    (make,) = import_module("classifier.migrations.0002_reviewers_group").Migration.operations
    make.code(apps, SimpleNamespace(connection=connection))
    group = Group.objects.get(name=REVIEWERS)
    assert set(group.permissions.values_list("codename", flat=True)) == {
        "view_collection", "view_face", "view_modelversion", "view_photo", "view_prediction",
    }  # fmt: skip


@pytest.fixture
def before_indexes(transactional_db):
    """The database as it was before the indexes that SQLite uses; afterwards it is as the models say again."""
    call_command("migrate", "classifier", BEFORE_INDEXES, verbosity=0)
    yield
    call_command("migrate", "classifier", verbosity=0)


def found_indexes() -> dict[str, list[str]]:
    """The named indexes of the tables that are queues, with their columns."""
    with connection.cursor() as cursor:
        tables = [connection.introspection.get_constraints(cursor, model._meta.db_table) for model in (Photo, Job)]
    return {name: about["columns"] for table in tables for name, about in table.items() if about["index"]}


def test_the_indexes_go_back_and_forth(before_indexes):
    before = found_indexes()
    call_command("migrate", "classifier", verbosity=0)
    there = found_indexes()
    assert {index.name for model in (Photo, Job) for index in model._meta.indexes} <= set(there)
    call_command("migrate", "classifier", BEFORE_INDEXES, verbosity=0)
    assert found_indexes() == before
    assert set(there) - set(before)


def test_the_indexes_are_what_the_models_say(before_indexes):
    replaced = {"photo_claim", "photo_states", "job_claim"}
    assert replaced <= set(found_indexes())
    call_command("migrate", "classifier", verbosity=0)
    there = describe_indexes()
    assert not replaced & set(there)
    with connection.schema_editor() as editor:
        for model in (Photo, Job):
            for index in model._meta.indexes:
                editor.remove_index(model, index)
                editor.add_index(model, index)
    assert describe_indexes() == there


def describe_indexes() -> dict[str, str]:
    """The indexes of the tables that are queues, each as the database tells how it is made."""
    said = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN (%s, %s)",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN (%s, %s)",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(said, [Photo._meta.db_table, Job._meta.db_table])
        return dict(cursor.fetchall())


def test_indexes_are_built_anew_where_a_run_was_interrupted(before_indexes):
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX photo_gallery_of_state ON classifier_photo (id)")
        if connection.vendor == "postgresql":  # as it leaves one that it did not finish
            cursor.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'photo_gallery_of_state'::regclass"
            )
    call_command("migrate", "classifier", INDEXES, verbosity=0)
    assert found_indexes()["photo_gallery_of_state"] == ["collection_id", "state", "received_at", "id"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
            assert cursor.fetchone() == (0,)


@pytest.mark.postgres
def test_a_run_waits_for_what_the_server_still_builds_for_one_that_was_killed(before_indexes, capsys, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("needs DATABASE_URL to name a PostgreSQL server")
    writer, builder = connection.copy(), connection.copy()
    builder.inc_thread_sharing()
    writer.set_autocommit(False)
    with writer.cursor() as cursor:  # an index is not finished while a write from before it is open
        cursor.execute("UPDATE classifier_photo SET name = name WHERE id = 0")
    statement = "CREATE INDEX CONCURRENTLY photo_gallery_of_state ON classifier_photo (id)"
    building = Thread(target=lambda: builder.cursor().execute(statement))
    building.start()
    writer.inc_thread_sharing()
    monkeypatch.setattr(index_operations, "sleep", lambda _: writer.rollback())
    releasing = Timer(30, writer.rollback)  # for a run that does not wait as it should
    releasing.start()
    while building.is_alive() and not is_building():
        sleep(0.01)
    call_command("migrate", "classifier", INDEXES, verbosity=0)
    releasing.cancel()
    for thread in (building, releasing):
        thread.join()
    writer.close()
    builder.close()
    assert capsys.readouterr().out.count("waits for an index of classifier_photo") == 1
    assert found_indexes()["photo_gallery_of_state"] == ["collection_id", "state", "received_at", "id"]


def is_building() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_progress_create_index")
        return cursor.fetchone() is not None


@pytest.mark.postgres
def test_photos_can_be_written_while_their_indexes_are_built(before_indexes):
    if connection.vendor != "postgresql":
        pytest.skip("needs DATABASE_URL to name a PostgreSQL server")
    with CaptureQueriesContext(connection) as captured:
        call_command("migrate", "classifier", INDEXES, verbosity=0)
    changes = [query["sql"] for query in captured if "INDEX" in query["sql"].split("(")[0]]
    assert changes
    assert [sql for sql in changes if "INDEX CONCURRENTLY" not in sql] == []


@pytest.mark.postgres
def test_postgres_is_told_that_a_label_goes_with_its_attribute(transactional_db):
    if connection.vendor != "postgresql":
        pytest.skip("needs DATABASE_URL to name a PostgreSQL server")
    assert found_statistics() == ["guess_attribute_of_label"]
    try:
        call_command("migrate", "classifier", "0013", verbosity=0)
        assert found_statistics() == []
    finally:
        call_command("migrate", "classifier", verbosity=0)
    assert found_statistics() == ["guess_attribute_of_label"]


def found_statistics() -> list[str]:
    """The names of what the server is told about columns of guesses together."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT stxname FROM pg_statistic_ext WHERE stxrelid = 'classifier_guess'::regclass")
        return [name for (name,) in cursor.fetchall()]
