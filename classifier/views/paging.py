"""Pages of a long list by where they start, not by number: as fast at photo 100,000 as at photo 1."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import Model, Q, QuerySet

PAGE_SIZE = 48  # divides into rows of 2, 3, 4, 6 and 8


@dataclass(frozen=True)
class Page:
    """Some rows of a list and the cursors of the pages around them; an empty cursor: there is none."""

    rows: list[Any]
    previous: str
    next: str


def read_page(queryset: QuerySet[Any], *, order: str, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """One page of a queryset in the order of a field (`-field` downwards) and of `id` among equals.

    `cursor` comes from an earlier page in the same order; any other shows the first page.
    """
    field = order.removeprefix("-")
    descending = order.startswith("-")
    backwards, value, pk = _read_cursor(cursor, order=order)
    if pk is not None:
        queryset = queryset.filter(_beyond(field, value, pk=pk, downwards=descending != backwards))
    sign = "-" if descending != backwards else ""
    rows = list(queryset.order_by(f"{sign}{field}", f"{sign}id")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous, has_next = (more, True) if backwards else (pk is not None, more)
    return Page(
        rows=rows,
        previous=_cursor(rows[0], field=field, order=order, backwards=True) if has_previous and rows else "",
        next=_cursor(rows[-1], field=field, order=order, backwards=False) if has_next and rows else "",
    )


def find_neighbours(queryset: QuerySet[Any], *, row: Any) -> tuple[Any, Any]:
    """The rows before and after one in the order newest first; None where there is none."""
    newer, older = (
        queryset.filter(_beyond("received_at", row.received_at, pk=row.pk, downwards=downwards))
        for downwards in (False, True)
    )
    return newer.order_by("received_at", "id").first(), older.order_by("-received_at", "-id").first()


def _beyond(field: str, value: Any, *, pk: int, downwards: bool) -> Q:
    """What follows a row in the order of a field and `id`; said so that an index begins there instead of at its end."""
    towards = "lt" if downwards else "gt"
    after = Q(**{f"{field}__{towards}": value}) | Q(**{f"id__{towards}": pk})
    return Q(**{f"{field}__{towards}e": value}) & after


def _cursor(row: Model, *, field: str, order: str, backwards: bool) -> str:
    value = getattr(row, field)
    plain = value.isoformat() if isinstance(value, datetime) else value  # the database reads it back
    return signing.dumps([backwards, plain, row.pk], salt=_salt(order))


def _read_cursor(cursor: str, *, order: str) -> tuple[bool, Any, int | None]:
    try:
        backwards, value, pk = signing.loads(cursor, salt=_salt(order))
    except signing.BadSignature:
        return False, None, None
    return backwards, value, pk


def _salt(order: str) -> str:
    return f"facet.page.cursor:{order}"
