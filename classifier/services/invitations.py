"""Invitations: each lets one person make an account, and no more."""

from django.utils import timezone

from classifier.models import Invitation, User


class InvitationUsed(Exception):
    """The code is not known, has expired, or somebody else was first."""

    code = "invitation_used"


def is_usable(code: str) -> bool:
    """Whether the code is known, unused and not expired; it may be used up by the time of `claim`."""
    return bool(code) and Invitation.usable().filter(code=code).exists()


def claim(code: str) -> None:
    """Use an invitation up. In the transaction that makes the account, before it: of two at once the second waits for
    the first and then changes no row. Raises InvitationUsed."""
    if not code or Invitation.usable().filter(code=code).update(used_at=timezone.now()) != 1:
        raise InvitationUsed


def note_guest(code: str, *, user: User) -> None:
    """Write down who came by an invitation that was claimed."""
    Invitation.objects.filter(code=code, used_by=None).update(used_by=user)
