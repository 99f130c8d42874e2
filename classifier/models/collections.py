"""A collection: a named set of photos of one owner, with a stated purpose."""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Count, Exists, F, Q, Value
from django.utils import timezone

from classifier import terms
from classifier.models.accounts import REVIEWERS
from classifier.models.locking import OrderedQuerySet
from ml.labels import ATTRIBUTES, FINEST, TAXONOMIES

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User

INBOX_NAME = "Inbox"
INBOX_PURPOSE = "trying Facet out"


# Of a collection that is there: counted up and noted in the database, and what was promised when it was made.
_SET_ELSEWHERE = {"revision", "has_origins", "is_aggregate_only"}


def all_attributes() -> list[str]:
    """Those that this site computes and stores: every one that is not switched off for the whole of it."""
    return [name for name in ATTRIBUTES if name not in settings.ATTRIBUTES_OFF]


def taxonomy_choices() -> list[tuple[str, str]]:
    """A function, so that a taxonomy more is no migration more."""
    return [(name, name) for name in TAXONOMIES]


class CollectionQuerySet(OrderedQuerySet["Collection"]):
    def hold(self) -> list[int]:
        """Lock these until the transaction ends, always in this order, and before anything that is in them: their keys.

        The order in which everything is locked stands in docs/architecture.md.
        """
        return list(self._held().values_list("pk", flat=True))

    def hold_attributes(self, pk: int) -> list[str]:
        """What is on now, held: who switches one off waits for this transaction, then removes what it stored."""
        held = self.select_for_update(no_key=True).filter(pk=pk)
        on: list[str] = next(iter(held.values_list("attributes", flat=True)), [])
        return [name for name in on if name not in settings.ATTRIBUTES_OFF]

    def note_change(self, pks: "Iterable[int] | models.QuerySet[Any, Any]") -> int:
        """Photos came, went or wait again: from now on what was counted before is not told any more.

        Several, also a query of them, are locked in the order of `hold`.
        """
        changed = self.filter(pk__in=pks if isinstance(pks, models.QuerySet) else set(pks))
        with transaction.atomic(using=self.db, savepoint=False):
            return changed.in_order().update(updated_at=timezone.now(), revision=F("revision") + 1)

    def note_answers(self) -> None:
        """What reports are computed from is another: results came in, or reviews. In the transaction that stores them.

        Whoever read the revision before the faces may have seen more than it tells of, never less.
        """
        self.update(revision=F("revision") + 1)

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Own collections, those shared with the user, and, for reviewers and staff, those opened to reviewers."""
        if not user.is_authenticated:
            return self.none()
        visible = Q(owner=user) | Q(shares__user=user)
        if user.is_staff or user.is_reviewer():
            visible |= Q(is_opened_to_reviewers=True)
        return self.filter(id__in=self.model._default_manager.filter(visible, deleting_at=None).values("id"))

    def reviewable_by(self, user: "User | AnonymousUser") -> Self:
        """Own collections, those shared for review, and, for reviewers and staff, those opened to reviewers."""
        if not user.is_authenticated:
            return self.none()
        invited = Q(owner=user) | Q(shares__user=user, shares__role=CollectionShare.Role.REVIEW)
        reviews = Value(True) if user.is_staff else Exists(user.groups.filter(name=REVIEWERS))
        invited |= Q(is_opened_to_reviewers=True) & Q(reviews)
        return self.filter(id__in=self.model._default_manager.filter(invited, deleting_at=None).values("id"))

    def owned_by(self, user: "User | AnonymousUser") -> Self:
        """The collections a user may change and upload to."""
        return self.filter(owner=user, deleting_at=None) if user.is_authenticated else self.none()

    def with_counts(self) -> Self:
        """Adds `photo_count` and one count per state: `queued_count`, `running_count`, `done_count`, `failed_count`."""
        kept = Q(photos__deleting_at=None)
        states = {
            f"{state}_count": Count("photos", filter=kept & Q(photos__state=state))
            for state in ("queued", "running", "done", "failed")
        }
        return self.annotate(photo_count=Count("photos", filter=kept), **states)


class Collection(models.Model):
    class Detail(models.TextChoices):
        """How closely photos are searched for faces: the names are those of `ml.requests.DETAILS`."""

        FINE = "fine", "fine: faces from 20 pixels wide on, slowly"
        NORMAL = "normal", "normal: faces from 40 pixels on in any photo, from 27 in most"
        FAST = "fast", "fast: wider faces only, in large photos far wider ones"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="collections")
    name = models.CharField(max_length=120)
    purpose = models.TextField(max_length=1000, help_text="Why these photos are looked at.")
    is_inbox = models.BooleanField(default=False, editable=False)
    attributes = models.JSONField(default=all_attributes, help_text="What is computed and stored.")
    taxonomy = models.CharField(
        max_length=20,
        default=FINEST,
        choices=taxonomy_choices,
        verbose_name="grouping",
    )
    detail = models.CharField(
        max_length=6, choices=Detail.choices, default=Detail.NORMAL, help_text="How closely photos are searched."
    )
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text="Photos are deleted this many days after they were received; empty keeps them.",
    )
    keeps_capture_dates = models.BooleanField(
        default=False,
        help_text="Whether the day on which a photo was taken is kept with it; decided when the collection is made.",
    )
    is_aggregate_only = models.BooleanField(
        default=False,
        verbose_name="aggregate-only",
        help_text="Whether only sums are kept: each photo and its faces are deleted when they were counted; decided "
        "when the collection is made.",
    )
    has_origins = models.BooleanField(
        default=False, editable=False, help_text="Whether photos came in folders or with tags, to be told by them."
    )
    is_opened_to_reviewers = models.BooleanField(default=False, verbose_name="opened to reviewers")
    revision = models.BigIntegerField(
        default=0, editable=False, help_text="Counts the changes of what reports are computed from."
    )
    terms_version = models.CharField(max_length=20, blank=True, editable=False)
    terms_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    terms_accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleting_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(fields=["owner"], condition=Q(is_inbox=True), name="one_inbox_per_owner"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Leaves alone what a row that is there only changes in the database, or never: see `_SET_ELSEWHERE`."""
        if not (self._state.adding or kwargs.get("force_insert")) and kwargs.get("update_fields") is None:
            known = {field.attname: field.name for field in self._meta.concrete_fields if not field.primary_key}
            loaded = {known[name] for name in known.keys() - self.get_deferred_fields()}
            kwargs["update_fields"] = loaded - _SET_ELSEWHERE
        super().save(*args, **kwargs)

    def terms_accepted(self) -> bool:
        """Whether photos may be added: the declaration was made as it stands now, or this is the Inbox of somebody
        who holds the terms of use.
        """
        has_declared = self.terms_accepted_at is not None and self.terms_version == terms.TERMS_VERSION
        return has_declared or (self.is_inbox and self.owner.holds_terms())


class CollectionShare(models.Model):
    """Somebody else who may read, or read and review, a collection."""

    class Role(models.TextChoices):
        READ = "read", "read"
        REVIEW = "review", "read and review"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="collection_shares")
    role = models.CharField(max_length=6, choices=Role.choices, default=Role.READ)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="one_share_per_person")]

    def __str__(self) -> str:
        return f"{self.user} may {self.get_role_display()} {self.collection}"
