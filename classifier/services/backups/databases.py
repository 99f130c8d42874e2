"""The database as one file at one moment, while others write, and back: VACUUM INTO of SQLite, pg_dump, pg_restore."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.client import DatabaseClient
from django.db.models import QuerySet

from classifier.intake import durable_files
from classifier.models import Explanation, Photo
from classifier.services.backups.errors import BackupError

ERROR_LINES = 3  # of what PostgreSQL's programs say
VERSION_MISMATCH = "server version mismatch"  # in English, which LC_ALL asks for


def dump(path: Path) -> list[str]:
    """Write the database to a file, and tell the storage names of all files that its rows need.

    Raises BackupError, or what says that the disk is full.
    """
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, durable_files.FILE_MODE))
    return _dump_postgres(path) if connection.vendor == "postgresql" else _dump_sqlite(path)


def file_name() -> str:
    """What the database is called in a backup."""
    return "database.dump" if connection.vendor == "postgresql" else "database.sqlite3"


def has_tables() -> bool:
    """Whether this database is in use, be it by something else."""
    return bool(connection.introspection.table_names())


def load(path: Path) -> None:
    """Put a dumped database in the place of this one: all of it or nothing. Moves the file. Raises BackupError."""
    if connection.vendor == "postgresql":
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        _run_postgres("pg_restore", *options, str(path))
        path.unlink()
        return
    connection.close()
    current = Path(connection.settings_dict["NAME"])
    for end in ("-wal", "-shm"):  # they belong to the other
        current.with_name(current.name + end).unlink(missing_ok=True)
    path.rename(current)
    durable_files.flush_folder(current.parent)


def _dump_sqlite(path: Path) -> list[str]:
    """Not the backup interface: that copies free pages, too, in which deleted names still stand."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    _flush(path)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
        return list(_names(row for rows in _rows_with_files() for row in copy.execute(str(rows.query))))


def _dump_postgres(path: Path) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        _run_postgres(
            "pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}", f"--file={path}"
        )
        names = list(_names(row for rows in _rows_with_files() for row in rows.iterator()))
    _flush(path)
    return names


def _rows_with_files() -> tuple[QuerySet[Any, Any], ...]:
    return (
        Photo.objects.filter(deleting_at=None).order_by("pk").values_list("image", "thumbnail"),
        Explanation.objects.filter(face__photo__deleting_at=None).order_by("pk").values_list("heat"),
    )


def _names(rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    return (name for row in rows for name in row if name)


def _run_postgres(program: str, *options: str) -> None:
    told, environment = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    *where, name = told[1:]
    command = [program, *where, f"--dbname={name}", *options]
    try:
        done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, with the settings' own words
            command, env=os.environ | (environment or {}) | {"LC_ALL": "C"}, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise BackupError(
            "no_program",
            f"The program {program} is needed and not there: it comes with PostgreSQL's client (Debian: "
            "postgresql-client), in the server's version or a later one.",
        ) from None
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-ERROR_LINES:])
        if VERSION_MISMATCH in said:
            raise BackupError(
                "old_program",
                f"{program} is older than the server, and makes no backup of it: install the client of the server's "
                f"version or of a later one (Debian: postgresql-client-NN). It says: {said}",
            )
        code = "disk_full" if "No space left" in said else "refused"
        raise BackupError(code, f"{program} says: {said}")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
