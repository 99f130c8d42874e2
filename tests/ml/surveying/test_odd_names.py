"""Folders and files may be called anything: what a command says of them is obeyed by no terminal and lost by none."""

import io
import os
import sys

import pytest

from ml import commands, draw
from tests.ml.surveying import made_up

NAME = os.fsdecode(b"caf\xe9\x1b[31m.csv")


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / NAME
    made_up.write_predictions(path, count=60, shares={"race": {"White": 0.6}})
    return path


def test_a_draw_says_where_it_lies_without_colouring_the_terminal(predictions, tmp_path, capsys):
    out = tmp_path / f"draw of {NAME}"
    assert draw.main([str(predictions), "--size", "20", "--out", str(out)]) == 0
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\\udce9\\x1b[31m.csv" in told
    assert out.exists()


def test_a_draw_to_a_reader_that_has_gone_makes_no_error(predictions, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="ascii") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert draw.main([str(predictions), "--size", "20"]) == 0


def test_what_a_command_did_is_said_on_any_standard_output(monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="ascii"))
    commands.say(f"é is in {NAME}\nand that is all")
    assert file.getvalue() == b"\\xe9 is in caf\\udce9\\x1b[31m.csv\nand that is all\n"
