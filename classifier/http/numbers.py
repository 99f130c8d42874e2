"""Whole numbers out of what a form or an address says, which anybody may have typed."""

LARGEST_KEY = 2**63 - 1  # of a row; SQLite and PostgreSQL take none beyond
LARGEST_NUMBER = 2**31 - 1  # that a column of plain whole numbers holds


def read_number(text: str, *, most: int) -> int | None:
    """A number from 0 to `most` in plain digits; None for anything else, however long."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None
