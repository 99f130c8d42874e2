"""Whom an owner asks to review: the collection is shared with them, and taken back the same way."""

from django.db import transaction
from django.db.models import Q

from classifier.models import Collection, CollectionShare, User
from classifier.services import audit, rates
from classifier.services.rates import Rate
from classifier.services.reviews.refusals import ReviewRefused

NAMES_TRIED = Rate(20, 3600)  # by one account: whoever has an account here is not to be found out by trying


class NobodyInvited(ReviewRefused):
    code = "nobody_invited"
    sentence = "Nobody with this name or address has an account here, or it is yours."


class TooManyNames(ReviewRefused):
    code = "too_many_names"
    sentence = "That were many names. Try again in an hour."


def invite_reviewer(collection: Collection, *, name: str, actor: User) -> User:
    """Let somebody read and review a collection. Raises NobodyInvited, TooManyNames."""
    if rates.take(f"invite-reviewer:{actor.pk}", rate=NAMES_TRIED):
        raise TooManyNames
    wanted = Q(username__iexact=name.strip()) | Q(email__iexact=name.strip())
    found = User.objects.filter(wanted, is_active=True, deleting_at=None).exclude(pk=actor.pk)
    people = list(found[:2])
    if len(people) != 1:
        raise NobodyInvited
    with transaction.atomic():
        share, is_new = CollectionShare.objects.get_or_create(
            collection=collection, user=people[0], defaults={"role": CollectionShare.Role.REVIEW}
        )
        if not is_new and share.role == CollectionShare.Role.REVIEW:
            return people[0]
        CollectionShare.objects.filter(pk=share.pk).update(role=CollectionShare.Role.REVIEW)
        _record("reviewer invited", collection, actor=actor, reviewer=people[0])
    return people[0]


def dismiss_reviewer(collection: Collection, *, reviewer: User, actor: User) -> bool:
    """Take back that somebody may review; what they answered stays. Whether they were one."""
    with transaction.atomic():
        shares = CollectionShare.objects.filter(collection=collection, user=reviewer)
        gone, _ = shares.filter(role=CollectionShare.Role.REVIEW).delete()
        if gone:
            _record("reviewer dismissed", collection, actor=actor, reviewer=reviewer)
    return bool(gone)


def _record(action: str, collection: Collection, *, actor: User, reviewer: User) -> None:
    target = f"collection {collection.uid}"
    audit.record(action, actor=actor, target=target, details={"reviewer": str(reviewer.uid)})
