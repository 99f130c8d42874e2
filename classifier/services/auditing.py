"""The audit log as a table for others."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from classifier.models import AuditEvent
from classifier.services import audit
from ml.spreadsheets import guard_cell

COLUMNS = ("at", "actor", "actor_uid", "action", "target", "details", "address", "request_id", "hash")


def write_csv(events: QuerySet[AuditEvent]) -> Iterator[str]:
    """Line by line, some rows at a time; a name or an address that was erased is empty."""
    yield _line(COLUMNS)
    last = None
    rows = events.select_related("origin").order_by("-id")
    while part := list((rows if last is None else rows.filter(id__lt=last))[: audit.ROWS_AT_ONCE]):
        names = audit.name_people(part)
        for event in part:
            origin = getattr(event, "origin", None)
            yield _line(
                (
                    event.at.isoformat(timespec="seconds"),
                    guard_cell(names.get(event.actor_uid, "")) if event.actor_uid else "",
                    event.actor_uid or "",
                    guard_cell(event.action),
                    guard_cell(event.target),
                    guard_cell(json.dumps(event.details, ensure_ascii=False, sort_keys=True)),
                    origin.address if origin else "",
                    event.request_id,
                    event.hash,
                )
            )
        last = part[-1].pk


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
