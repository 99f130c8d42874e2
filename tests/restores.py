"""Restores in an instance of its own: `python -m tests.restores killed|damaged BACKUP`, with FACET_DATA set."""

import os
import shutil
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from classifier.services.backups import databases, restoring  # noqa: E402
from classifier.services.backups.errors import BackupError  # noqa: E402
from tests.kills import kill_at_steps  # noqa: E402


def restore_killed(backup: Path) -> None:
    kills = kill_at_steps(lambda: call_command("restore", backup, verbosity=0), stride=4)
    sys.stdout.write(f"{kills}\n")


def restore_damaged(backup: Path) -> None:
    """Each file of the backup with one byte changed, and one that is gone: refused before the database comes."""
    for path in sorted(path for path in backup.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in (len(whole) // 3, len(whole) - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert_refused(backup, what=f"{path.name} changed at {place}")
        path.unlink()
        assert_refused(backup, what=f"{path.name} gone")
        path.write_bytes(whole)
    sys.stdout.write("refused\n")


def assert_refused(backup: Path, *, what: str) -> None:
    code = ""
    try:
        restoring.bring_back(backup, report=lambda *told: None)
    except BackupError as error:
        code = error.code
    assert code in ("damaged", "newer", "not_whole"), f"{what}: {code or 'restored'}"
    assert not databases.has_tables(), what
    connection.close()
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    (settings.DATA_DIR / restoring.MARK).unlink(missing_ok=True)


if __name__ == "__main__":
    {"killed": restore_killed, "damaged": restore_damaged}[sys.argv[1]](Path(sys.argv[2]))
