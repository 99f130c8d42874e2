"""The queue: the row is the truth, the message is a hint. One abstract model and one QuerySet for everything slow."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from time import sleep
from typing import Any, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Case, F, Max, Min, Q, Value, When
from django.utils import timezone

from classifier.models.locking import OrderedQuerySet

MAX_ATTEMPTS = 3  # attempts that ended in an error of this very row
MAX_LOST = 10  # leases that were lost together with their worker
AHEAD = timedelta(hours=1)  # a lease that ends later than this after its time was given under another clock


class State(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


PENDING = (State.QUEUED, State.RUNNING)
FINISHED = (State.DONE, State.FAILED)
RESTART_ROWS = 500  # in one transaction: about 70 ms on SQLite, which has only one writer
SQLITE_PAUSE_SECONDS = 0.05  # between two: who waits for SQLite looks ten times a second whether it is free


class LeasedQuerySet(OrderedQuerySet[Any]):
    def pending(self) -> Self:
        return self.filter(state__in=PENDING)

    def count_pending(self) -> int:
        """One state at a time, which is what an index finds."""
        return sum(self.filter(state=state).count() for state in PENDING)

    def claimable(self) -> Self:
        """Queued rows, and running ones whose worker let the lease run out."""
        queued, let_go = _claimable_kinds()
        return self.filter(queued | let_go)

    def has_claimable(self) -> bool:
        return any(self.claimable().filter(kind).exists() for kind in _claimable_kinds())

    def next_turn(self, owner_id: int) -> int:
        """The first free turn of an owner (start-time fair queueing).

        Rows are claimed in the order of `turn`. An owner's rows take consecutive turns from the lowest that is still
        waiting, so that owners alternate however many rows each of them has.
        """
        waiting = self.filter(state=State.QUEUED)
        lowest = waiting.aggregate(turn=Min("turn"))["turn"] or 0
        own_last = waiting.filter(owner_id=owner_id).aggregate(turn=Max("turn"))["turn"]
        return lowest if own_last is None else max(own_last + 1, lowest)

    def claim(self, *, limit: int) -> list[Any]:
        """Lease up to `limit` rows to the caller and return them; a row that was tried before comes alone.

        One conditional UPDATE decides between workers: only the rows it changed carry the new token. A row whose
        worker was lost for the last time that is allowed fails here with `worker_lost`.
        """
        now = timezone.now()
        token = uuid.uuid4()
        with transaction.atomic(using=self.db):
            if connection.vendor == "postgresql":
                # No wait for the disk: a claim that a crash of the server forgets is made anew under another token.
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL synchronous_commit TO OFF")
            rows = self._next_rows(limit=limit)
            fresh = [pk for pk, state, attempts, lost in rows if state == State.QUEUED and not attempts and not lost]
            first_is_fresh = bool(rows) and rows[0][0] in fresh[:1]
            chosen = fresh if first_is_fresh else [row[0] for row in rows[:1]]
            if not chosen:
                return []
            running = When(state=State.RUNNING, then=F("lost") + 1)
            self.claimable().filter(id__in=chosen).update(
                state=State.RUNNING,
                token=token,
                started_at=now,
                lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
                lost=Case(running, default=F("lost"), output_field=models.PositiveSmallIntegerField()),
            )
        if not first_is_fresh:
            self._give_up_lost(token=token)
        return list(self.filter(token=token).order_by("turn", "id"))

    def _give_up_lost(self, *, token: uuid.UUID) -> int:
        return self.filter(token=token, lost__gte=MAX_LOST).update(
            state=State.FAILED, code="worker_lost", token=None, lease_until=None, finished_at=timezone.now()
        )

    def _next_rows(self, *, limit: int) -> list[tuple[int, str, int, int]]:
        """The id, state, attempts and lost of the claimable rows whose turn it is, held where the database can.

        Each kind is asked for by itself: that is what an index of its own answers at once.
        """
        rows: list[tuple[int, int, str, int, int]] = []
        for kind in _claimable_kinds():
            found = self.claimable().filter(kind).order_by("turn", "id")
            if connection.features.has_select_for_update_skip_locked:
                found = found.select_for_update(skip_locked=True, no_key=True)
            rows += found.values_list("turn", "id", "state", "attempts", "lost")[:limit]
        return [row[1:] for row in sorted(rows)[:limit]]

    def renew(self, *, token: uuid.UUID) -> int:
        """Prolong the leases of one claim; the number of rows that are still the caller's."""
        until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
        with transaction.atomic(using=self.db, savepoint=False):
            return self.filter(token=token, state=State.RUNNING).in_order().update(lease_until=until)

    def finish(self, *, pk: int, token: uuid.UUID, **values: Any) -> bool:
        """Mark one row done if it is still the caller's. Call it inside the transaction that stores the result."""
        changed = self.filter(pk=pk, token=token, state=State.RUNNING).update(
            state=State.DONE, token=None, lease_until=None, finished_at=timezone.now(), **values
        )
        return changed == 1

    def fail_attempt(self, *, pk: int, token: uuid.UUID, code: str) -> bool:
        """Count an error of this row: queued again, or failed with `code` after the last attempt."""
        last = Q(attempts__gte=MAX_ATTEMPTS - 1)
        changed = self.filter(pk=pk, token=token, state=State.RUNNING).update(
            state=Case(When(last, then=Value(State.FAILED)), default=Value(State.QUEUED)),
            code=Case(When(last, then=Value(code)), default=Value("")),
            finished_at=Case(When(last, then=Value(timezone.now())), default=None),
            attempts=F("attempts") + 1,
            token=None,
            lease_until=None,
        )
        return changed == 1

    def fail(self, *, pk: int, token: uuid.UUID, code: str) -> bool:
        """Fail one row for good: trying again would change nothing (its file is gone, say)."""
        changed = self.filter(pk=pk, token=token, state=State.RUNNING).update(
            state=State.FAILED, code=code, token=None, lease_until=None, finished_at=timezone.now()
        )
        return changed == 1

    def restart(self, **values: Any) -> int:
        """Queue finished rows afresh, behind what is already waiting of their owners; the number of rows.

        `values` are set with it. The rows go in batches of `RESTART_ROWS`, a transaction and a statement each: what is
        cut short is whole as far as it went, and whoever calls again goes on from there.
        """
        finished = self.filter(state__in=FINISHED)
        rows = list(finished.order_by("owner_id", "pk").values_list("owner_id", "pk"))
        count = 0
        for owner_id, group in groupby(rows, key=itemgetter(0)):
            keys = [pk for _, pk in group]
            for start in range(0, len(keys), RESTART_ROWS):
                if start and connection.vendor == "sqlite":
                    sleep(SQLITE_PAUSE_SECONDS)
                count += self._restart_batch(keys[start : start + RESTART_ROWS], owner_id=owner_id, values=values)
        return count

    def _restart_batch(self, keys: Sequence[int], *, owner_id: int, values: dict[str, Any]) -> int:
        """Those of the rows that are still finished when it is their turn; others that do the same wait for it."""
        everything: Any = self.model._default_manager.all()
        with transaction.atomic(using=self.db):
            held = everything.filter(pk__in=keys, state__in=FINISHED).order_by("pk").select_for_update(no_key=True)
            found = list(held.values_list("pk", flat=True))
            if not found:
                return 0
            first = everything.next_turn(owner_id)
            turns = [When(pk=pk, then=Value(turn)) for turn, pk in enumerate(found, start=first)]
            restarted: int = everything.filter(pk__in=found).update(
                state=State.QUEUED,
                code="",
                attempts=0,
                lost=0,
                turn=Case(*turns, output_field=models.BigIntegerField()),
                queued_at=timezone.now(),
                started_at=None,
                finished_at=None,
                **values,
            )
            return restarted


def _claimable_kinds() -> tuple[Q, Q]:
    """Queued rows, and those whose worker let the lease run out."""
    return Q(state=State.QUEUED), Q(state=State.RUNNING) & ran_out(timezone.now())


def ran_out(moment: datetime) -> Q:
    """Leases that were over at a moment, and those from before the clock jumped back: a live worker renews its own."""
    latest = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS) + AHEAD
    return Q(lease_until__lt=moment) | Q(lease_until__gt=latest)


class Leased(models.Model):
    """A row that is its own job."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    code = models.CharField(max_length=20, blank=True)
    token = models.UUIDField(null=True, blank=True, editable=False, db_index=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    lost = models.PositiveSmallIntegerField(default=0, editable=False)
    turn = models.BigIntegerField(default=0, editable=False)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        # SQLite takes an index with a condition only where the query says the very same: one state, not one of several.
        # Of a plain index on the state it would think that it finds ten rows, however many there are.
        indexes = [
            models.Index("turn", "id", condition=Q(state=State.QUEUED), name="%(class)s_queue"),
            models.Index("lease_until", condition=Q(state=State.RUNNING), name="%(class)s_leases"),
            models.Index("owner", "turn", condition=Q(state=State.QUEUED), name="%(class)s_turns"),
            # Whether the queue moves is asked by every page.
            models.Index("queued_at", condition=Q(state=State.QUEUED), name="%(class)s_waiting"),
            models.Index(fields=["started_at"], name="%(class)s_started"),
            models.Index("finished_at", name="%(class)s_finished"),
        ]
