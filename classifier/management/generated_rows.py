"""Photos by the million without a file: rows that PostgreSQL copies from one, for measuring what grows with them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management import CommandError
from django.db import connection, models
from django.db.models import Max
from django.utils import timezone

from classifier.models import Collection, Face, ModelVersion, Photo, State, User
from classifier.services import predictions
from classifier.terms import TERMS_VERSION
from ml import labels

DATABASE_SUFFIX = "_growth"
DATABASE_MARK = "made by measure_growth of Facet, may be dropped"  # its comment
_UID = "gen_random_uuid()"


@contextmanager
def own_database() -> Iterator[None]:
    """An empty database beside the site's own, for the length of the block: on the same server, or a SQLite file.

    One that an earlier run left behind on a server is replaced; the site's own is never touched. Raises CommandError
    where somebody else's has its name.
    """
    site = connection.settings_dict["NAME"]
    with TemporaryDirectory() as folder:
        if connection.vendor == "postgresql":
            name = f"{site}{DATABASE_SUFFIX}"
            _make_database(name)
        else:
            name = str(Path(folder) / "facet.sqlite3")
        connection.settings_dict["TEST"]["NAME"] = name
        connection.creation.create_test_db(verbosity=0, serialize=False, keepdb=True)
        try:
            yield
        finally:
            connection.creation.destroy_test_db(site, verbosity=0)


def _make_database(name: str) -> None:
    """An empty database with a mark, by which the next run knows it."""
    quoted = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
        found = cursor.fetchone()
        if found and found[0] != DATABASE_MARK:
            raise CommandError(
                f"There is a database {name} that was not made for measuring, so it is not replaced. "
                "Rename it, or drop it yourself if nobody needs it."
            )
        if found:
            cursor.execute(f"DROP DATABASE {quoted}")
        cursor.execute(f"CREATE DATABASE {quoted}")
        cursor.execute(f"COMMENT ON DATABASE {quoted} IS '{DATABASE_MARK}'")


def make_collections(*names: str) -> list[Collection]:
    """Empty collections of one person."""
    owner = User.objects.create_user("growth", "growth@example.org")
    declared = {"terms_version": TERMS_VERSION, "terms_accepted_at": timezone.now()}
    values: dict[str, Any] = {"owner": owner, "purpose": "measuring", **declared}
    return [Collection.objects.create(name=name, **values) for name in names]


def fill(collection: Collection, *, photos: int) -> None:
    """Bring a collection to so many photos, the last ones received a second before those that are there.

    Every second photo waits, the others are done and have one face each, of every perceived group, gender and age.
    """
    have = collection.photos.count()
    template = _make_template(collection)
    face = template.faces.get()
    each_photo = {
        "uid": _UID,
        "sha256": "md5(n::text)",
        "name": "'photo ' || md5(n::text)",
        "turn": "n",
        "received_at": "now() - n * interval '1 second'",
        "queued_at": "now() - n * interval '1 second'",
    }
    waiting = f"CASE n % 2 WHEN 1 THEN '{State.QUEUED}' ELSE '{State.DONE}' END"
    newest_photo, newest_face = _newest(Photo), _newest(Face)
    _copy(template, source=f"generate_series({have + 1}, {photos}) n", changes=each_photo | {"state": waiting})
    of_done = _rows_after(newest_photo, of=Photo, also=f"AND state = '{State.DONE}'")
    _copy(face, source=of_done, changes={"uid": _UID, "photo_id": "n.id"})
    of_face = _rows_after(newest_face, of=Face)
    _copy(face.predictions.get(), source=of_face, changes={"face_id": "n.id"})
    for guess in face.guesses.all():
        said = _pick(labels.ATTRIBUTES[guess.attribute])
        _copy(guess, source=of_face, changes={"face_id": "n.id", "label": said})
    template.delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as its own housekeeping does sooner or later


def _make_template(collection: Collection) -> Photo:
    """A photo that is done, with a face and what a model said of it."""
    now = timezone.now()
    photo = Photo.objects.create(
        owner=collection.owner,
        collection=collection,
        name="template",
        sha256="template",
        width=1024,
        height=768,
        face_count=1,
        state=State.DONE,
        started_at=now,
        finished_at=now,
    )
    box = {"x1": 400.0, "y1": 200.0, "x2": 520.0, "y2": 350.0, "size_px": 120.0}
    chip = {"chip_cx": 460.0, "chip_cy": 280.0, "chip_side": 200.0, "chip_angle": 0.0}
    seen: dict[str, Any] = {"detection": 0.99, "sharpness": 150.0, "brightness": 0.5, "detector_version": "generated"}
    face = Face.objects.create(photo=photo, number=1, **box, **chip, **seen)
    version, _ = ModelVersion.objects.get_or_create(name="generated", sha256="generated")
    even = {name: [1 / len(groups)] * len(groups) for name, groups in labels.ATTRIBUTES.items()}
    predictions.store_predictions({face: even}, model_version=version)
    return photo


def _copy(row: models.Model, *, source: str, changes: Mapping[str, str]) -> None:
    """A copy of a row for each row `n` of an SQL source, with some columns (name: SQL expression) changed."""
    table = row._meta.db_table
    columns = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    values = [changes.get(column, f"t.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - names of this file's making
            f"SELECT {', '.join(values)} FROM {table} t CROSS JOIN {source} WHERE t.id = {row.pk}"
        )


def _rows_after(newest: int, *, of: type[models.Model], also: str = "") -> str:
    return f"(SELECT id FROM {of._meta.db_table} WHERE id > {newest} {also}) n"  # noqa: S608 - as above


def _newest(model: type[models.Model]) -> int:
    return model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0


def _pick(names: Sequence[str]) -> str:
    """SQL for one of some names, in turn by the source's id."""
    return f"(ARRAY{list(names)})[1 + n.id % {len(names)}]"
