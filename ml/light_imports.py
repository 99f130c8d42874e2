"""Packages of which only files are read, and torchvision's operators without torchvision.

Importing it brings torch's compiler along, which would cost each worker two seconds at its start and 150 MB for good.
"""

import importlib.machinery
import importlib.util
from contextlib import suppress
from pathlib import Path

import torch


def find_package(name: str) -> Path:
    """The folder of an installed package, which is not imported. Raises ModuleNotFoundError."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    return Path(found.submodule_search_locations[0])


def load_operators(*names: str) -> bool:
    """Make the operators of one of torchvision's libraries known to torch: the first of these names that loads.

    False where none does. Raises ModuleNotFoundError.
    """
    loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    finder = importlib.machinery.FileFinder(str(find_package("torchvision")), loaders)
    for name in names:
        library = finder.find_spec(name)
        if library is not None and library.origin is not None:
            with suppress(OSError, RuntimeError):
                torch.ops.load_library(library.origin)
                return True
    return False
