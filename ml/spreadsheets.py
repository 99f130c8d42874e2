"""Text from elsewhere in CSV files that people open in spreadsheets, which take some of it for formulas."""

import re

# What spreadsheets begin a formula with (OWASP, "CSV Injection"), behind apostrophes or not.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard_cell(text: str) -> str:
    """Text that no spreadsheet calculates: an apostrophe before what would be a formula. Not for numbers."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(text: str) -> str:
    """The reverse of `guard_cell`; text that was never guarded stays as it is."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
