"""Packages that are looked into instead of imported."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from ml import light_imports
from ml.seeing import fast_jpeg

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"


def test_a_package_that_is_not_installed_is_told():
    with pytest.raises(ModuleNotFoundError, match="not_there is not installed"):
        light_imports.find_package("not_there")


def test_a_library_that_is_not_there_is_passed_over():
    assert not light_imports.load_operators("not_there")
    assert light_imports.load_operators("not_there", "_C_stable")


def test_the_locked_torchvision_decodes_jpegs():
    (locked,) = re.findall(r"^torchvision==([^ ]+)", LOCK.read_text(), flags=re.MULTILINE)
    installed = metadata.version("torchvision")
    if installed.partition("+")[0] != locked.partition("+")[0]:
        pytest.skip(f"torchvision {installed} is installed, {locked} is locked")
    assert fast_jpeg._can_decode
