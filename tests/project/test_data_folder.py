"""What lies in the data folder is for the user that Facet runs as, whatever mode the folder was made with."""

import os
import subprocess
import sys
from pathlib import Path

from classifier import checks

ROOT = Path(__file__).resolve().parents[2]


def manage(folder: Path, *arguments: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FACET_", "DATABASE_"))}
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean | {"FACET_DATA": str(folder)},
        umask=0o022,
        check=True,
        capture_output=True,
        timeout=120,
    )


def open_to_others(folder: Path) -> list[str]:
    """What other users of the machine can read: a file in a closed folder is closed too."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if (Path(root) / name).stat().st_mode & 0o077]
        found += [name for name in files if (Path(root) / name).stat().st_mode & 0o077]
    return found


def test_a_folder_made_beforehand_holds_no_open_database(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    manage(folder, "migrate", "--verbosity", "0")
    assert (folder / "facet.sqlite3").stat().st_size > 0
    assert open_to_others(folder) == []
    look = "from classifier.models import User; import os; from django.conf import settings; User.objects.count(); "
    look += "assert [(n, oct(os.stat(settings.DATA_DIR / n).st_mode)) for n in os.listdir(settings.DATA_DIR)"
    look += " if os.stat(settings.DATA_DIR / n).st_mode & 0o077] == []"
    manage(folder, "shell", "-c", look)  # with the side files that are there only while somebody reads


def test_an_open_database_of_before_is_closed(tmp_path):
    database = tmp_path / "facet.sqlite3"
    database.touch()
    database.chmod(0o644)
    manage(tmp_path, "check")
    assert open_to_others(tmp_path) == []


def test_an_open_folder_is_told(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    tmp_path.chmod(0o755)
    assert [message.id for message in checks.security.check_data_folder_mode(None)] == ["facet.W040"]
    tmp_path.chmod(0o700)
    assert list(checks.security.check_data_folder_mode(None)) == []
