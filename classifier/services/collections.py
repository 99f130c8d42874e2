"""Collections come into being: named ones with a declaration, and everybody's Inbox."""

from django.utils import timezone

from classifier.models import Collection, User
from classifier.models.collections import INBOX_NAME, INBOX_PURPOSE, all_attributes
from classifier.terms import TERMS_VERSION
from ml.labels import FINEST


def create_collection(
    owner: User,
    *,
    name: str,
    purpose: str,
    attributes: list[str] | None = None,
    taxonomy: str = FINEST,
    retention_days: int | None = None,
    is_opened_to_reviewers: bool = False,
) -> Collection:
    """A collection whose declaration `owner` has just accepted: the text's version and the time are kept with it.

    `attributes` are those to compute and store (None: all); `taxonomy` is the grouping that its pages start with.
    """
    wanted = all_attributes() if attributes is None else attributes
    return Collection.objects.create(
        owner=owner,
        name=name,
        purpose=purpose,
        attributes=[attribute for attribute in all_attributes() if attribute in wanted],
        taxonomy=taxonomy,
        retention_days=retention_days,
        is_opened_to_reviewers=is_opened_to_reviewers,
        terms_version=TERMS_VERSION,
        terms_accepted_at=timezone.now(),
        terms_accepted_by=owner,
    )


def get_inbox(user: User) -> Collection:
    """The collection for photos sent without one, made on first use; the terms of sign-up cover it.

    Two first uses at once get the same one: the database allows one Inbox per owner.
    """
    inbox, _ = Collection.objects.get_or_create(
        owner=user, is_inbox=True, deleting_at=None, defaults={"name": INBOX_NAME, "purpose": INBOX_PURPOSE}
    )
    return inbox
