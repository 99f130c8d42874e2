"""People and their keys."""

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken

from classifier import terms

REVIEWERS = "reviewers"  # the group whose members read and review what is opened to them


class User(AbstractUser):  # type: ignore[django-manager-missing] # knox's mixin makes it known too late
    """Somebody with an account; `is_staff` makes an administrator, membership in the group `reviewers` a reviewer."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(blank=True)
    terms_version = models.CharField(max_length=20, blank=True, help_text="The terms of use this person accepted.")
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    terms_accepted_by = models.CharField(
        max_length=150,
        blank=True,
        help_text="Who accepted: the person's own user name, or the operator's word.",
    )
    quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="Bytes of stored photos; empty means the instance's default."
    )
    leaving_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the account goes, as its owner asked."
    )
    deleting_at = models.DateTimeField(null=True, blank=True, editable=False)

    def is_reviewer(self) -> bool:
        return self.groups.filter(name=REVIEWERS).exists()

    def allowed_bytes(self) -> int:
        """How much this person may store; 0 is nothing, not the instance's default."""
        return settings.USER_QUOTA_BYTES if self.quota_bytes is None else self.quota_bytes

    def holds_terms(self) -> bool:
        """Whether the terms of use as they stand now were accepted; earlier ones do not count."""
        return self.terms_accepted_at is not None and self.terms_version == terms.TERMS_VERSION

    def accept_terms(self, *, version: str, by: str) -> None:
        """Record that the terms of use hold for this account: which text, when, and on whose word."""
        self.terms_version, self.terms_accepted_at, self.terms_accepted_by = version, timezone.now(), by
        self.save(update_fields=["terms_version", "terms_accepted_at", "terms_accepted_by"])


class AccessToken(AbstractAuthToken):
    """A key to the API: named, scoped, expiring, stored as a hash only and shown once."""

    class Scope(models.TextChoices):
        READ = "read", "read"
        UPLOAD = "upload", "read and upload"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    scope = models.CharField(max_length=10, choices=Scope.choices, default=Scope.UPLOAD)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"

    def is_expired(self) -> bool:
        return self.expiry is not None and self.expiry <= timezone.now()

    def allows(self, scope: str) -> bool:
        """Whether this token may do what needs `scope`; upload includes read."""
        return scope == self.Scope.READ or self.scope == self.Scope.UPLOAD


def new_invitation_code() -> str:
    return secrets.token_urlsafe(18)


class Invitation(models.Model):
    """A code that lets one person sign up where sign-up is by invitation."""

    code = models.CharField(max_length=40, unique=True, default=new_invitation_code)
    note = models.CharField(max_length=150, blank=True, help_text="Whom it is for.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    used_by = models.OneToOneField(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="invitation")
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.note or self.code[:6] + "…"

    @classmethod
    def usable(cls) -> models.QuerySet[Any]:
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return cls.objects.filter(unexpired, used_at=None)
