"""What is done once a day, each chore on its own: one that breaks does not keep the others from being done.

Every sweep asks what is due. A row says it to all processes, and who moves it on does the chore: for an hour it is his,
then, should he have been killed, another's. A chore ends after a while and is taken up again by the next sweep, so
whoever sweeps is not kept from its other work.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from time import monotonic

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.db import connections, router
from django.db.models import F, Q
from django.utils import timezone

from classifier.models import Chore
from classifier.services import accounts, audit, collections, configuration, disk, jobs, retention

logger = logging.getLogger("facet.chores")

A_DAY = timedelta(days=1)  # what is due later was done before the clock jumped back
LEASE = timedelta(hours=1)  # also how long a chore that broke waits for its next turn
SECONDS_A_TURN = 2.0


def clear_sessions(*, until: float) -> bool:
    """Remove sessions that have expired, and with what address and browser they began."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    from allauth.usersessions.models import UserSession  # its models are there only after ours

    there = Session.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=there).delete()
    return True


def clear_cache(*, until: float) -> bool:
    """Remove what the cache in the database keeps beyond its time: it would do so only when it is full."""
    for alias in settings.CACHES:
        store = caches[alias]
        if isinstance(store, DatabaseCache):
            connection = connections[router.db_for_write(store.cache_model_class)]
            table = connection.ops.quote_name(store._table)  # type: ignore[attr-defined] # the stubs lack it
            now = connection.ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0))
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [now])  # noqa: S608 - a table of the settings
    return True


# Name -> what does it until a moment (monotonic seconds), and says whether it is done.
CHORES: dict[str, Callable[..., bool]] = {
    "photos whose days are over": retention.delete_overdue,
    "settings in the audit log": configuration.note_settings,
    "what is switched off for the site": collections.switch_off_for_site,
    "accounts whose grace is over": accounts.delete_overdue,
    "addresses in the audit log": audit.prune_addresses,
    "old uploads": retention.prune_uploads,
    "finished jobs": jobs.prune_finished,
    "expired sessions": clear_sessions,
    "expired cache": clear_cache,
}


def call_all() -> None:
    """Have every chore done with the next sweep, also those done today: called when a site or worker starts."""
    idle = Q(started_at=None) | Q(finished_at__gte=F("started_at"))
    Chore.objects.filter(idle).update(due_at=timezone.now())


def do_what_is_due() -> None:
    """Do the chores that are due and that no other process has."""
    now = timezone.now()
    due = dict(Chore.objects.values_list("name", "due_at"))
    for name in CHORES:
        if not now < due.get(name, now) <= now + A_DAY and _take(name):
            _do(name)


@disk.may_use_reserve  # all of them remove something: on a full disk they are wanted most
def _take(name: str) -> bool:
    now = timezone.now()
    Chore.objects.get_or_create(name=name, defaults={"due_at": now})
    is_due = Q(due_at__lte=now) | Q(due_at__gt=now + A_DAY)
    return Chore.objects.filter(is_due, name=name).update(due_at=now + LEASE, started_at=now) == 1


def _do(name: str) -> None:
    try:
        is_done = CHORES[name](until=monotonic() + SECONDS_A_TURN)
    except Exception:  # whatever broke is this chore's own: the others are done all the same
        logger.exception("the daily chore “%s” broke; its next turn is in %s", name, LEASE)
        return
    now = timezone.now()
    Chore.objects.filter(name=name).update(due_at=_next_midnight(now) if is_done else now, finished_at=now)


def _next_midnight(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time.min, tzinfo=UTC)
