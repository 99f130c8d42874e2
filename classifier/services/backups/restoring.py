"""Bringing a backup back, into a place where nothing is."""

import os
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from classifier.intake import durable_files, storage
from classifier.models import AccountExport, Explanation, Photo
from classifier.services import audit, deletion, disk
from classifier.services.backups import databases, manifests, reading
from classifier.services.backups.errors import BackupError, explain_full_disk
from classifier.services.backups.hashing import copy_and_hash, hash_file
from classifier.services.backups.making import NAMES_AT_ONCE, REPORT_SECONDS, Report

MARK = "restoring"  # in the data folder, with the hash of the backup's list, until all is back
FOLDERS = ("photos", "thumbnails", "heat")


def is_unfinished() -> bool:
    """Whether a restore into this data folder was cut short: nothing else may use the folder then."""
    return _mark().exists()


def bring_back(path: Path, *, leaves_out_damaged: bool = False, report: Report) -> tuple[manifests.Manifest, list[str]]:
    """Bring files and database back, or go on where that was cut short; the database comes last, all or nothing.

    Returns what the backup says of itself, and the files of it that are damaged, which end the restore unless they
    are photos to be left out. Raises BackupError. Migrate the database afterwards, then call `settle`.
    """
    path = path.absolute()
    try:
        with reading.opened(path) as source:
            sums, digest = _read_list(source, path=path)
            manifest = _read_manifest(source, sums=sums)
            _check_place(manifest, digest=digest)
            durable_files.replace_file(_mark(), digest.encode())
            database = Path(settings.DATA_DIR) / "restored_database.part"
            is_back = connection.vendor == "postgresql" and databases.has_tables()  # before it was cut short
            if not is_back:
                _copy(source, databases.file_name(), to=database, digest=sums[databases.file_name()])
            damaged = _copy_photos(source, sums=sums, leaves_out=leaves_out_damaged, report=report)
            if manifests.SECRET_KEY in sums:
                key = Path(settings.DATA_DIR) / manifests.SECRET_KEY
                _copy(source, manifests.SECRET_KEY, to=key, digest=sums[manifests.SECRET_KEY])
            if database.exists():
                databases.load(database)
    except Exception as error:  # a full disk is told by files, by SQLite and by PostgreSQL's tools, each in its own way
        if disk.is_full(error):
            raise explain_full_disk(settings.DATA_DIR) from error
        raise
    return manifest, damaged


def settle(manifest: manifests.Manifest) -> None:
    """After the migrations: nobody is logged in, what was deleted while the backup was made goes, and it is over."""
    Session.objects.all().delete()
    AccountExport.objects.all().delete()  # their files are in no backup
    for start in range(0, len(manifest.deleted), NAMES_AT_ONCE):
        deletion.delete_photos(Photo.objects.filter(uid__in=manifest.deleted[start : start + NAMES_AT_ONCE]))
    maps = [name for name in manifest.lacking if name.startswith(storage.HEAT)]
    for start in range(0, len(maps), NAMES_AT_ONCE):
        Explanation.objects.filter(heat__in=maps[start : start + NAMES_AT_ONCE]).delete()
    audit.record("backup restored", details={"made_at": manifest.made_at, "files": manifest.files})
    _mark().unlink()


def _read_list(source: reading.Source, *, path: Path) -> tuple[dict[str, str], str]:
    content = reading.read_whole(source, manifests.SUMS)
    if not content:
        raise BackupError(
            "not_whole", f"{path} is no whole backup: {manifests.SUMS}, which is written last, is not there."
        )
    return manifests.read_sums(content), manifests.hash_bytes(content)


def _read_manifest(source: reading.Source, *, sums: dict[str, str]) -> manifests.Manifest:
    content = reading.read_whole(source, manifests.MANIFEST)
    if manifests.hash_bytes(content) != sums.get(manifests.MANIFEST):
        raise manifests.damaged(manifests.MANIFEST)
    manifest = manifests.read_manifest(content)
    if manifest.files != len(sums) - 1:
        raise manifests.damaged(manifests.SUMS)
    if manifest.database != connection.vendor:
        raise BackupError(
            "other_database", f"This backup holds a {manifest.database} database, and DATABASE_URL names another kind."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if not known.issuperset(manifest.migrations):
        raise BackupError("newer", "This backup was made by a newer Facet: restore it with that version.")
    return manifest


def _check_place(manifest: manifests.Manifest, *, digest: str) -> None:
    if is_unfinished():
        if _mark().read_text() != digest:
            raise BackupError(
                "other_restore",
                f"{settings.DATA_DIR} holds a part of another backup: go on with that, or choose an empty folder.",
            )
        return
    media = Path(default_storage.path(""))
    holds_files = any(path.is_file() for name in FOLDERS for path in (media / name).rglob("*"))
    if databases.has_tables() or holds_files:
        raise BackupError(
            "not_empty",
            "There are data already, and a restore overwrites nothing: choose an empty FACET_DATA"
            + (" and an empty database in DATABASE_URL." if connection.vendor == "postgresql" else "."),
        )


def _copy_photos(source: reading.Source, *, sums: dict[str, str], leaves_out: bool, report: Report) -> list[str]:
    """Copy what is not there yet; the names of damaged files."""
    names = sorted(name for name in sums if name.startswith(manifests.PHOTOS))
    damaged: list[str] = []
    told = 0.0
    for done, name in enumerate(names):
        if monotonic() - told > REPORT_SECONDS:
            told = monotonic()
            report("restored", done, len(names))
        target = Path(default_storage.path(name.removeprefix(manifests.PHOTOS)))
        if target.exists() and hash_file(target) == sums[name]:
            continue
        try:
            _copy(source, name, to=target, digest=sums[name])
        except BackupError:
            if not leaves_out:
                raise
            damaged.append(name)
    report("restored", len(names), len(names))
    return damaged


def _copy(source: reading.Source, name: str, *, to: Path, digest: str) -> None:
    """Write a file of the backup beside its new name, and rename it when it proves to be whole. Raises BackupError."""
    durable_files.make_folder(to.parent)
    part = durable_files.part_of(to)
    part.unlink(missing_ok=True)
    try:
        with source.open(name) as incoming, part.open("xb") as outgoing:
            part.chmod(durable_files.FILE_MODE)
            found = copy_and_hash(incoming, outgoing)
            outgoing.flush()
            os.fsync(outgoing.fileno())
    except FileNotFoundError:
        raise manifests.damaged(name) from None
    if found != digest:
        part.unlink()
        raise manifests.damaged(name)
    part.rename(to)


def _mark() -> Path:
    return Path(settings.DATA_DIR) / MARK
