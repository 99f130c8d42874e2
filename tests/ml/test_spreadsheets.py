import pytest

from ml.spreadsheets import guard_cell, unguard_cell


@pytest.mark.parametrize("text", ["=1+1.jpg", "+a", "-a", "@a", "\ta", "\ra", "'=a", "''@a"])
def test_what_would_be_a_formula_is_text_and_comes_back(text):
    assert guard_cell(text)[0] == "'"
    assert unguard_cell(guard_cell(text)) == text


@pytest.mark.parametrize("text", ["", "a=b.jpg", "photos/=1.jpg", "'quoted'.jpg", "0-9", "'"])
def test_other_text_is_left_alone(text):
    assert guard_cell(text) == text == unguard_cell(text)
