"""The commands of the documentation: run by the Python that `make setup` made, with options that they have."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
# In a fresh clone there is no other Python that has the packages.
BY_MAKE = [
    "README.md",
    *(f"docs/{name}.md" for name in ("train", "models", "results", "predicting", "reports", "review", "extending")),
]
COMMAND = re.compile(r"^\s*(?:\S+=\S+ )*((?:\S*/)?python3? -m ml\..*)$", re.MULTILINE)


def list_commands(page: str) -> list[str]:
    """The lines of a page's blocks that run a command of `ml`, those that are continued joined."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [found for block in blocks for found in COMMAND.findall(block.replace("\\\n", " "))]


class Understood(Exception):
    """The options were read; the command itself is not run."""


@pytest.mark.parametrize("page", BY_MAKE)
def test_commands_run_in_a_fresh_clone(page):
    makefile = (ROOT / "Makefile").read_text()
    assert "\nVENV := .venv\n" in makefile
    assert "\nPYTHON := $(VENV)/bin/python\n" in makefile
    commands = list_commands(page)
    assert commands
    assert [command for command in commands if not command.startswith(".venv/bin/python -m ")] == []


@pytest.mark.parametrize("page", [page for page in PAGES if list_commands(page)])
def test_commands_have_the_options_that_are_documented(page, tmp_path, monkeypatch, capsys):
    def stop(parser):
        raise Understood

    for folder in ("photos", "PHOTOS", "folder", "chips"):
        (tmp_path / folder).mkdir()
    (tmp_path / "photo.jpg").touch()
    monkeypatch.chdir(tmp_path)
    for command in list_commands(page):
        _, _, name, *arguments = shlex.split(command, comments=True)
        if "..." in arguments:  # an abbreviation
            continue
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "told_errors", stop)
        try:
            module.main(arguments)
        except Understood:
            continue
        except SystemExit:
            pytest.fail(f"{command}: {capsys.readouterr().err.splitlines()[-1]}")
