"""Packages that are looked into instead of imported."""

import pytest

from ml import libraries


def test_a_package_that_is_not_installed_is_told():
    with pytest.raises(ModuleNotFoundError, match="not_there is not installed"):
        libraries.find_package("not_there")


def test_a_library_that_is_not_there_is_passed_over():
    assert not libraries.load_operators("not_there")
    assert libraries.load_operators("not_there", "_C_stable")
