"""A clock for tests that is set by hand; `django.utils.timezone.now` reads it."""

from datetime import UTC, datetime, timedelta

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


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)
