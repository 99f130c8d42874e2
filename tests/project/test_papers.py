"""What the papers cite is there: a promise names the test that holds it, and a test that was renamed takes it along."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TESTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "tests").rglob("*.py")}


def cited_tests(paper: str) -> list[str]:
    """`tests/web/test_limits.py::test_name`, `test_limits.py` or `test_name`, whatever stands between two backticks."""
    quoted = re.findall(r"`([^`\n]+)`", (ROOT / paper).read_text())
    return [text for text in quoted if re.match(r"(tests/|test_)[\w/.:]*$", text)]


def is_there(citation: str) -> bool:
    path, _, name = citation.rpartition("::") if "::" in citation else ("", "", citation)
    if name.endswith((".py", "/")):
        path, name = name, ""
    files = [text for file, text in TESTS.items() if not path or file.startswith(path) or file.endswith(f"/{path}")]
    return any(not name or re.search(rf"^def {name}\(", text, re.MULTILINE) for text in files)


def test_a_test_that_is_not_there_would_be_noticed():
    assert is_there("tests/project/test_papers.py::test_a_test_that_is_not_there_would_be_noticed")
    assert is_there("test_papers.py")
    assert not is_there("test_papers.py::test_nothing")
    assert not is_there("test_that_was_renamed")
    assert not is_there("tests/web/test_that_was_renamed.py")


def test_the_promises_cite_tests():
    assert len(cited_tests("docs/security.md")) > 80


@pytest.mark.parametrize("paper", PAPERS)
def test_every_test_that_a_paper_cites_is_there(paper):
    assert [citation for citation in cited_tests(paper) if not is_there(citation)] == []


@pytest.mark.parametrize("paper", ["docs/security.md", "docs/operating.md"])
def test_prose_is_wrapped(paper):
    text = re.sub(r"^```.*?^```$", "", (ROOT / paper).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def places_of(paper: str) -> set[str]:
    """What a paper says is found in the code: files, folders, and names longer than a word."""
    text = (ROOT / paper).read_text()
    text = text[text.index("Six changes") : text.find("## Inside `classifier`")] if "architecture" in paper else text
    text = re.sub(r"```.*?```|\[`[^`]+`\]", "", text, flags=re.DOTALL)  # code, and links, which are followed elsewhere
    quoted = set(re.findall(r"`([^`\n]+)`", text)) - {"reviewed_mask"}  # a column of the example
    return {place for place in quoted if re.fullmatch(r"[\w/.]*(\.py|/)|[A-Z]\w*[A-Z_]\w*|[a-z]+_[a-z_]+", place)}


def is_in_code(place: str) -> bool:
    folders = ("", "ml/reporting")  # files of one room are named by its first
    if place.endswith((".py", "/")):
        return any((ROOT / folder / place).exists() for folder in folders)
    sources = [path for package in ("classifier", "ml") for path in (ROOT / package).rglob("*.py")]
    return any(re.search(rf"^\s*(def |class )?{place}\b", path.read_text(), re.MULTILINE) for path in sources)


@pytest.mark.parametrize("paper", ["docs/extending.md", "docs/architecture.md"])
def test_where_a_change_begins_is_there(paper):
    places = places_of(paper)
    assert len(places) > 12
    assert not [place for place in places if not is_in_code(place)]


def test_a_place_that_is_not_there_would_be_noticed():
    assert not is_in_code("classifier/webhooks.py")
    assert not is_in_code("ABOUT_NOTHING")
