"""What comes into the locks is looked at for its licence, and what Facet was made from is named with its makers."""

import importlib.util
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
LISTED = {"allowed": ["MIT", "Apache-2.0", "BSD License"], "bundled": [], "elsewhere": {"windows-only": "MIT"}}


@pytest.fixture(scope="module")
def licences():
    spec = importlib.util.spec_from_file_location("check_licences", ROOT / ".ci" / "check_licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def check(licences, monkeypatch, tmp_path):
    """What is wrong with a package that says `metadata` of itself and whose wheel has `texts` of licences."""

    def check(metadata: str, *, texts: str = "", **by_name) -> list[str]:
        folder = tmp_path / "made_up-1.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: made-up\nVersion: 1\n{metadata}\n")
        (folder / "LICENSES_bundled.txt").write_text(texts)
        (folder / "RECORD").write_text("made_up-1.dist-info/METADATA,,\nmade_up-1.dist-info/LICENSES_bundled.txt,,\n")
        monkeypatch.syspath_prepend(tmp_path)
        return list(licences.check_package("made-up", listed=LISTED, by_name={"made-up": by_name} if by_name else {}))

    return check


def test_all_packages_of_the_locks_are_on_the_list(licences, capsys):
    assert licences.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: MIT",
        "License-Expression: GPL-3.0-only OR MIT",
        "License-Expression: MIT AND Apache-2.0",
        "Classifier: License :: OSI Approved :: BSD License\nLicense: GPL",
        "License: MIT\n  and some more of its text",
    ],
)
def test_what_is_on_the_list_passes(check, metadata):
    assert check(metadata) == []


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("License-Expression: GPL-3.0-only", "GPL-3.0-only"),
        ("License-Expression: MIT AND GPL-2.0-only", "MIT AND GPL-2.0-only"),
        ("License-Expression: GPL-2.0-only AND (BSL-1.0 OR MIT OR X11)", "GPL-2.0-only AND (BSL-1.0 OR MIT OR X11)"),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3", "GNU Affero General"),
        ("License: Ask us", "Ask us"),
        ("Summary: Says nothing", "''"),
    ],
)
def test_what_is_not_is_named(check, metadata, told):
    [fault] = check(metadata)
    assert fault.startswith("made-up: ")
    assert told in fault


def test_what_a_wheel_brings_along_counts(check):
    texts = "Name: x265\nLicense: GPLv2\nFiles: libx265.so\n"
    assert check("License-Expression: MIT", texts=texts) == [
        "made-up: its wheel bundles what is under 'GPLv2', which is not on the list"
    ]
    assert check("License-Expression: MIT", texts=texts, licence="MIT", bundled=["GPLv2"]) == []


def test_a_package_known_by_name_is_looked_at_anew_when_it_says_something_else(check):
    assert check("License: Ask us", licence="Ask us") == []
    assert check("License: Pay us", licence="Ask us") == [
        "made-up: now says 'Pay us', licences.toml knows it as 'Ask us'"
    ]


def test_what_is_not_installed_is_known_or_named(licences):
    assert list(licences.check_package("windows-only", listed=LISTED, by_name={})) == []
    assert list(licences.check_package("never-seen", listed=LISTED, by_name={})) == [
        "never-seen: not installed here, so its licence cannot be read"
    ]


def test_every_exception_has_a_reason():
    listed = tomllib.loads((ROOT / ".ci" / "licences.toml").read_text())
    assert all(len(entry["reason"]) > 8 and entry["packages"] for entry in listed["by_name"])


def test_the_notice_has_the_copyright_lines_of_what_the_model_was_made_from():
    notice = (ROOT / "NOTICE").read_text()
    installed = distribution("facenet-pytorch")
    [licence] = [file for file in installed.files if file.name == "LICENSE.md"]
    text = licence.read_text()
    assert "Copyright (c) 2019 Timothy Esler" in text
    assert " ".join(text.split()) in " ".join(notice.split())
    assert all(
        name in notice for name in ("Davis", "King", "CC0", "Karkkainen", "Joo", "CC BY 4.0", "changed by training")
    )
