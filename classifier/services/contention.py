"""A database that lets a statement wait too long, since others hold what it needs: how that is told, and the limit."""

from typing import Any

from django.conf import settings

SENTENCE = (
    "Others are changing the same photos or collections at this moment, so nothing was changed. Try again in a while."
)
# PostgreSQL: lock_not_available, which is the limit below; deadlock_detected; serialization_failure.
SQLSTATES = frozenset({"55P03", "40P01", "40001"})
SQLITE_NAMES = ("SQLITE_BUSY", "SQLITE_LOCKED")


def is_busy(error: BaseException | None) -> bool:
    """Whether an error says, or comes from one that says, that a lock was not to be had. The same again may well go."""
    while error is not None:
        if getattr(error, "sqlstate", "") in SQLSTATES:
            return True
        if str(getattr(error, "sqlite_errorname", "")).startswith(SQLITE_NAMES):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def limit_waiting(connection: Any, **_: Any) -> None:
    """Have PostgreSQL give up a statement that waits too long for a lock: for processes whose people wait for answers.

    A receiver of Django's `connection_created`. Workers wait as long as it takes, since nobody waits for them, and a
    photo that could not be stored would be counted against. SQLite has such a limit in its settings.
    """
    if connection.vendor == "postgresql" and settings.LOCK_SECONDS > 0:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{settings.LOCK_SECONDS}s"])
