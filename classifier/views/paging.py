"""Pages of a long list by where they start, not by number: as fast at photo 100,000 as at photo 1."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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

    `cursor` comes from an earlier page; one that cannot be read shows the first page.
    """
    field = order.removeprefix("-")
    descending = order.startswith("-")
    backwards, value, pk = _read_cursor(cursor)
    if pk is not None:
        towards = "lt" if descending != backwards else "gt"
        beyond = Q(**{f"{field}__{towards}": value}) | Q(**{field: value, f"id__{towards}": pk})
        queryset = queryset.filter(beyond)
    sign = "-" if descending != backwards else ""
    rows = list(queryset.order_by(f"{sign}{field}", f"{sign}id")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous, has_next = (more, True) if backwards else (pk is not None, more)
    return Page(
        rows=rows,
        previous=_cursor(rows[0], field=field, backwards=True) if has_previous and rows else "",
        next=_cursor(rows[-1], field=field, backwards=False) if has_next and rows else "",
    )


def find_neighbours(queryset: QuerySet[Any], *, row: Any) -> tuple[Any, Any]:
    """The rows before and after one in the order newest first; None where there is none."""
    here = {"received_at": row.received_at}
    newer = queryset.filter(Q(received_at__gt=row.received_at) | Q(**here, id__gt=row.pk))
    older = queryset.filter(Q(received_at__lt=row.received_at) | Q(**here, id__lt=row.pk))
    return newer.order_by("received_at", "id").first(), older.order_by("-received_at", "-id").first()


def _cursor(row: Model, *, field: str, backwards: bool) -> str:
    value = getattr(row, field)
    stored = {"at": value.isoformat()} if isinstance(value, datetime) else {"value": value}
    content = json.dumps([int(backwards), stored, row.pk], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[bool, Any, int | None]:
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        backwards, stored, pk = json.loads(content)
        value = datetime.fromisoformat(stored["at"]) if "at" in stored else stored["value"]
        return bool(backwards), value, int(pk)
    except (ValueError, TypeError, KeyError):
        return False, None, None
