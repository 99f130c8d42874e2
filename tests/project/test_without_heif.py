"""Without the extra that reads HEIC, Facet names it nowhere but where such a photo is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

from classifier.intake import formats
from ml import heic

ROOT = Path(__file__).resolve().parents[2]
# Read by every Python below, those of the decoding children too: it is as if the package were not installed.
NOT_INSTALLED = "import sys\nsys.modules['pillow_heif'] = None\n"


def test_where_the_extra_is_installed_heic_is_named():
    assert heic.IS_READ
    assert formats.FORMATS == "JPEG, PNG, WebP, GIF, BMP, AVIF and HEIC"
    assert formats.ACCEPTED == "image/*,.heic,.heif,.avif"


def test_where_it_is_not_its_absence_is_told(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NOT_INSTALLED)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    # A database of its own, so that these tests may run beside others.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DATABASE_URL": ""}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/project/without_heif.py", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]
    assert re.search(r"\b8 passed\b", found.stdout), found.stdout[-1000:]
