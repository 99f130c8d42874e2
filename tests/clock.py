"""Clocks that tests set by hand: one that `django.utils.timezone.now` reads, and one that counts seconds."""

from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from django.utils import timezone


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: datetime) -> None:
        self.at = at
        monkeypatch.setattr(timezone, "now", lambda: self.at)

    def set(self, *moment: int) -> None:
        """Year, month, day, hour and so on, in UTC."""
        self.at = datetime(*moment, tzinfo=UTC)

    def go_on(self, **span: float) -> None:
        self.at += timedelta(**span)


class Seconds:
    """The seconds that a module counts by: they stand still until a test moves `now`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, of: ModuleType) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr(of, "time", lambda: self.now)


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)
