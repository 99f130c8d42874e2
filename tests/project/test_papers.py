"""What the papers cite is there: a promise names the test that holds it, and a test that was renamed takes it along."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
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
