"""What the doctor says of one thing that is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from classifier.models import LeasedQuerySet


@dataclass(frozen=True)
class Finding:
    """Something wrong: how often, where (names or uids), what to do, and the remedy if there is a safe one."""

    what: str
    subjects: tuple[str, ...]
    advice: str
    remedy: Callable[[], int] | None = None


def list_uids(rows: LeasedQuerySet) -> tuple[str, ...]:
    """The uids of all rows, the oldest row first."""
    return tuple(str(uid) for uid in rows.order_by("id").values_list("uid", flat=True))


def count_subjects(subjects: Sequence[str], noun: str) -> str:
    """How a sentence about them begins: "1 photo is", "3 photos are"."""
    return f"1 {noun} is" if len(subjects) == 1 else f"{len(subjects)} {noun}s are"
