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
    user: User, *, name: str, scope: str = AccessToken.Scope.UPLOAD, days: int | None = DAYS, by: User | None = None
) -> tuple[AccessToken, str]:
    """A new token and its secret, which is stored as a hash only and cannot be told again; None days never expire.

    `by` made it: the operator, where it is nobody.
    """
    expiry = None if days is None else timedelta(days=days)
    with transaction.atomic():
        token, secret = AccessToken.objects.create(user, expiry=expiry, name=name, scope=scope)
        if by:
            details = {"user": user.uid, "scope": token.scope}
            audit.record("token made", actor=by, target=f"token {token.uid}", details=details)
    return token, secret


def revoke_token(token: AccessToken, *, by: User | None = None) -> None:
    """From now on requests with this token answer 401, and it is no longer listed. `by` took it back."""
    with transaction.atomic():
        token.delete()
        if by:
            audit.record("token revoked", actor=by, target=f"token {token.uid}")


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
        with transaction.atomic():
            written: bool = AccessToken.objects.filter(long_ago, pk=token.pk).update(last_used_at=now) == 1
            if written and token.last_used_at is None:
                audit.record("token first used", actor=token.user, target=f"token {token.uid}")
        return written
    except DatabaseError:
        logger.warning("the last use of token %s could not be written", token.uid)
        return False
