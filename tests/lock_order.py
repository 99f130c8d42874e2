"""Watches every transaction of a test on PostgreSQL: whether it locks what it locks in the site's order.

The order stands in docs/architecture.md. Looked at is each table's first lock: later ones are of rows that are held, as
a rule. Statements by themselves are no transactions: they let go of what they lock before they wait for anything else.
"""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.backends.signals import connection_created

COLLECTION, AUDIT_LOG = "collection", "the audit log"
RANKS = {"modelversion": 0, COLLECTION: 1, "photo": 2, "user": 3, "job": 4, AUDIT_LOG: 5}
# What is in a collection is changed by nobody else while it is held, so that its own order does not matter.
IN_COLLECTIONS = {
    *("draw", "codebook", "drawnface", "drawnphoto", "frameface", "face", "prediction", "guess", "review"),
    *("photoreview", "explanation", "uploaditem", "upload", "tagcolumn", "phototag", "aggregate", "keptreport"),
}
MADE_WITH = ("services/predictions.py", "services/aggregates.py")  # parts of services, with which tests make rows
ALONE = ("/management/generated_", "/migrations/")  # what fills a database of its own, or changes one that stands still
LOCKS = re.compile(
    r'^(?:UPDATE|DELETE FROM) "classifier_(\w+)"'
    r'|^SELECT .*? FROM "classifier_(\w+)".* FOR (?:NO KEY )?UPDATE(?: |$)'
    r"|(pg_advisory_xact_lock)",
    re.DOTALL,
)


@contextmanager
def watched() -> Iterator[list[str]]:
    """What is out of order within the block, in sentences."""
    found: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if (said := _note_lock(context["connection"], str(sql))) is not None:
            found.append(said)
        return result

    def watch(connection: Any, **_: Any) -> None:
        if note not in connection.execute_wrappers:
            connection.execute_wrappers.append(note)

    connection_created.connect(watch)
    watch(connection)
    try:
        yield found
    finally:
        connection_created.disconnect(watch)
        connection.execute_wrappers.remove(note)


@contextmanager
def taken_back() -> Iterator[None]:
    """A test's own transaction, which is rolled back: what the site does in it is watched as if there was none."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined] # as Django's own test cases mark theirs
    with block:
        yield
        transaction.set_rollback(True)


def _note_lock(connection: Any, sql: str) -> str | None:
    outermost = next((block for block in connection.atomic_blocks if not block._from_testcase), None)
    if outermost is None:
        return None
    if connection.__dict__.get("watched") is not outermost:
        connection.watched, connection.locked = outermost, set()
    match = LOCKS.search(sql)
    table = match and (match[1] or match[2] or AUDIT_LOG)
    locked: set[str] = connection.locked
    if table in locked or (table not in RANKS and table not in IN_COLLECTIONS):
        return None
    later = sorted(name for name in locked if name in RANKS and RANKS[name] > RANKS.get(table, RANKS[AUDIT_LOG]))
    is_free = table in IN_COLLECTIONS and COLLECTION not in locked
    locked.add(table)
    if not (later or is_free) or not _is_by_the_site():
        return None
    return f"{table} is locked {f'after {later}' if later else 'while no collection is held'}: {sql[:200]}"


def _is_by_the_site() -> bool:
    """Whether a service asked for it that holds collections by itself: tests make rows in other ways, too."""
    asked = [frame.filename for frame in traceback.extract_stack() if "/classifier/" in frame.filename]
    is_alone = any(part in filename for filename in asked for part in ALONE)
    return bool(asked) and not asked[0].endswith(MADE_WITH) and not is_alone
