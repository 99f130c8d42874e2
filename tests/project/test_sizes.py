"""A file that grows past the ceiling is taken apart."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 600
SOURCES = ("*.py", "*.js", "*.css", "*.html")


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z", *SOURCES], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_no_file_is_longer_than_the_ceiling():
    lengths = {path: len(path.read_text().splitlines()) for path in tracked_files() if path.exists()}
    assert {str(path): length for path, length in lengths.items() if length > MAX_LINES} == {}
