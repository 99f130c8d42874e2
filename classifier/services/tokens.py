"""Keys to the API: made, taken back, and marked as used."""

import logging
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from classifier.models import AccessToken, User
from classifier.services import audit

logger = logging.getLogger("facet.tokens")

DAYS = 90
MAX_DAYS = 3650
NOTE_USE_EVERY = timedelta(minutes=1)  # the last use is for people to see; finer would be a write per request


def create_token(
    user: User, *, name: str, scope: str = AccessToken.Scope.UPLOAD, days: int | None = DAYS
) -> tuple[AccessToken, str]:
    """A new token and its secret, which is stored as a hash only and cannot be told again; None days never expire."""
    expiry = None if days is None else timedelta(days=days)
    token, secret = AccessToken.objects.create(user, expiry=expiry, name=name, scope=scope)
    return token, secret


def revoke_token(token: AccessToken) -> None:
    """From now on requests with this token answer 401, and it is no longer listed."""
    token.delete()


def revoke_all(user: User, *, because: str, by: User | None = None) -> int:
    """Take back every token of somebody, and write down why and, if it is known, by whom; how many there were."""
    with transaction.atomic():
        count: int = AccessToken.objects.filter(user=user).delete()[0]
        if count:
            details = {"because": because, "count": count}
            audit.record("access tokens revoked", actor=by, target=f"user {user.uid}", details=details)
    return count


def note_use(token: AccessToken) -> bool:
    """Write the time of last use unless that was done within the last minute; whether it was written.

    A database that cannot be written (a full disk, say) must not lock readers out, so it is only logged.
    """
    now = timezone.now()
    if token.last_used_at is not None and token.last_used_at > now - NOTE_USE_EVERY:
        return False
    long_ago = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTE_USE_EVERY)
    try:
        written: bool = AccessToken.objects.filter(long_ago, pk=token.pk).update(last_used_at=now) == 1
        return written
    except DatabaseError:
        logger.warning("the last use of token %s could not be written", token.uid)
        return False
