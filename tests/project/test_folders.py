"""Every folder has its line in the README, or lies in one that has."""

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from tests.project.test_sizes import ROOT

LINED = ("classifier", "ml")  # packages whose rooms have lines of their own where they are more than a layer
# Layers of Django that every application has; docs/architecture.md tells what goes where.
LAYERS = {"admin", "api", "management", "migrations", "models", "services", "serving", "templatetags", "views"}


def tracked_folders() -> set[PurePosixPath]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return {PurePosixPath(name).parent for name in listing.stdout.split("\0") if "/" in name}


def named_folders() -> set[str]:
    table = (ROOT / "README.md").read_text().split("## Where things are")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    return {name.rstrip("/") for cell in cells for name in re.findall(r"`([^`]+/)`", cell)}


def test_every_folder_has_its_line():
    top = {folder.parts[0] for folder in tracked_folders()}
    rooms = {
        "/".join(folder.parts[:2])
        for folder in tracked_folders()
        if folder.parts[0] in LINED and len(folder.parts) > 1 and folder.parts[1] not in LAYERS
    }
    assert sorted((top | rooms) - named_folders()) == []


def test_every_line_has_its_folder():
    assert [name for name in named_folders() if not (ROOT / name).is_dir()] == []
