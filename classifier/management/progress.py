"""How far a command has come: one line on a terminal, a line now and then elsewhere."""

from time import monotonic

from django.core.management.base import OutputWrapper

LINE_SECONDS = 10.0  # between two lines of a log


class Progress:
    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._told = 0.0

    def tell(self, done_word: str, done: int, total: int) -> None:
        """Say that so many of so many files are copied, or whatever the word is."""
        line = f"{done:,} of {total:,} files {done_word}"
        if self._out.isatty():
            self._out.write(f"\r{line}", ending="\n" if done == total else "")
            self._out.flush()
        elif done == total or monotonic() - self._told > LINE_SECONDS:
            self._told = monotonic()
            self._out.write(line)
