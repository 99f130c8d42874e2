"""Every package of the locks is under a licence that licences.toml names: .venv/bin/python .ci/check_licences.py

Reads what the installed packages say of themselves, and what their wheels bundle; prints what is not on the list, with
1 as its exit status. Where a package says nothing, or something of its own, the list has it by name, with a reason.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("licences.toml")
# How wheels tell the licence of a library that they bring along.
BUNDLED = re.compile(r"^License: (.*GPL.*)$", re.MULTILINE)


def main() -> int:
    listed = tomllib.loads(LIST.read_text())
    by_name = {name: entry for entry in listed["by_name"] for name in entry["packages"]}
    packages = read_locks()
    faults = [fault for package in packages for fault in check_package(package, listed=listed, by_name=by_name)]
    known = by_name.keys() | listed["elsewhere"].keys()
    faults += [f"{name}: in {LIST.name}, but in no lock" for name in sorted(known - {*packages})]
    print("\n".join(faults) or f"{len(packages)} packages, all under licences of {LIST.name}")
    return 1 if faults else 0


def read_locks() -> list[str]:
    """The names of all packages that any lock pins."""
    locks = [ROOT / "requirements.lock", *(ROOT / "requirements").glob("*.lock")]
    return sorted({name for lock in locks for name in re.findall(r"^([a-z0-9.-]+)==", lock.read_text(), re.MULTILINE)})


def check_package(package: str, *, listed: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What is wrong with one package's licence, each as a line."""
    entry = by_name.get(package, {})
    try:
        installed: Distribution | None = distribution(package)
    except PackageNotFoundError:
        installed = None
    if installed is None and entry:
        return
    told = read_licence(installed) if installed else listed["elsewhere"].get(package)
    if told is None:
        yield f"{package}: not installed here, so its licence cannot be read"
        return
    if entry:
        if told != entry["licence"]:
            yield f"{package}: now says {told!r}, {LIST.name} knows it as {entry['licence']!r}"
    elif not is_allowed(told, allowed=listed["allowed"]):
        yield f"{package}: {told!r} is not on the list"
    bundled = read_bundled(installed) if installed else set()
    for licence in sorted(bundled - {*listed["bundled"], *entry.get("bundled", ())}):
        yield f"{package}: its wheel bundles what is under {licence!r}, which is not on the list"


def read_licence(installed: Distribution) -> str:
    """The licence in the package's own words: an SPDX expression, else classifiers, else the first line of a text."""
    told = installed.metadata
    if expression := told.get("License-Expression"):
        return expression
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier", []) if line.startswith("License ")]
    return " AND ".join(classifiers) or next(iter((told.get("License") or "").strip().splitlines()), "")


def read_bundled(installed: Distribution) -> set[str]:
    """The licences, of the GPL's family, of libraries that the wheel brings along."""
    files = [file for file in installed.files or [] if ".dist-info" in str(file) and "licen" in str(file).lower()]
    texts = [Path(str(file.locate())).read_text(errors="replace") for file in files]
    return {licence.strip() for text in texts for licence in BUNDLED.findall(text)}


def is_allowed(expression: str, *, allowed: list[str]) -> bool:
    """Whether one side of every OR is on the list, all of its ANDs; expressions with brackets are on no list."""
    if "(" in expression and expression not in allowed:
        return False
    return any(all(part in allowed for part in side.split(" AND ")) for side in expression.split(" OR "))


if __name__ == "__main__":
    sys.exit(main())
