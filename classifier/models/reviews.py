"""What people said: of a face, and of faces in a photo that were not found. Rows follow each other."""

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from classifier.models.collections import Collection
from classifier.models.draws import Draw, DrawnPhoto
from classifier.models.faces import Face

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User

CANNOT_TELL = "cannot_tell"  # an answer about an attribute, beside its labels


class ReviewQuerySet(models.QuerySet["Review"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Reviews of faces in collections that the user may read."""
        collections = Collection.objects.visible_to(user)
        return self.filter(face__photo__collection__in=collections, face__photo__deleting_at=None)

    def standing(self) -> Self:
        """The last word of each reviewer on each face, skipped ones too; what was taken back is none."""
        return self.filter(is_standing=True).exclude(verdict=Review.Verdict.WITHDRAWN)

    def told(self) -> Self:
        """Standing reviews that say something."""
        return self.filter(is_standing=True, verdict__in=(Review.Verdict.FACE, Review.Verdict.NOT_A_FACE))

    def in_draws(self) -> Self:
        """Those that may feed statistics."""
        return self.exclude(draw=None)


class Review(models.Model):
    """One person's word on one face. A correction is another row that names the one it replaces.

    `draw` is the draw it was answered in; without one it serves correction and training, never statistics. A face that
    was skipped, or a review that was taken back, is a row too, so that the history is whole.
    """

    class Verdict(models.TextChoices):
        FACE = "face", "a face"
        NOT_A_FACE = "not_a_face", "not a face"
        SKIPPED = "skipped", "skipped"
        WITHDRAWN = "withdrawn", "taken back"

    class Source(models.TextChoices):
        PERSON = "person", "answered here"
        REFERENCE = "reference", "reference labels from a file"
        SELF_IDENTIFIED = "self_identified", "self-identified labels from a file"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="reviews")
    draw = models.ForeignKey(
        Draw, on_delete=models.CASCADE, null=True, blank=True, related_name="reviews", db_index=False
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="reviews"
    )
    # Whose words belong together stays known when the account is gone, and of files that name their reviewers.
    reviewer_uid = models.UUIDField(editable=False)
    said_by = models.CharField(max_length=150, blank=True, help_text="The reviewer's name in the file it came from.")
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.PERSON)
    was_blind = models.BooleanField(help_text="Whether the model's guess was hidden until it was answered.")
    adjudicates = models.BooleanField(default=False, help_text="It settles a disagreement between the others.")
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.FACE)
    answers = models.JSONField(default=dict, blank=True, help_text="Attribute -> a label, or cannot_tell.")
    comment = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="How long the face was looked at.")
    at = models.DateTimeField(default=timezone.now)
    replaces = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )
    is_standing = models.BooleanField(default=True, help_text="Not replaced by another.")
    client_key = models.CharField(
        max_length=40, blank=True, editable=False, help_text="The same answer sent twice is one."
    )

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["face", "draw", "reviewer_uid", "adjudicates"],
                condition=Q(is_standing=True, draw__isnull=False),
                name="one_standing_review_in_a_draw",
            ),
            models.UniqueConstraint(
                fields=["face", "reviewer_uid", "source"],
                condition=Q(is_standing=True, draw__isnull=True),
                name="one_standing_review_outside",
            ),
            models.UniqueConstraint(
                fields=["reviewer_uid", "client_key"], condition=~Q(client_key=""), name="one_review_per_client_key"
            ),
        ]
        # The face is in it, and no other index begins with the draw: so no plan, however little PostgreSQL knows of new
        # rows, reads a whole pass, or the whole draw, for each face.
        indexes = [models.Index(fields=["draw", "reviewer_uid", "face"], name="review_pass_faces")]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()}, said of {self.face}"

    def tell_reviewer(self) -> str:
        """Who said it, also where there is no account (any more)."""
        if self.reviewer is not None:
            return self.reviewer.get_username()
        return self.said_by or "a former reviewer"


class PhotoReview(models.Model):
    """Where one person sees faces, in a drawn photo, that no box marks: points as fractions of width and height."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    drawn_photo = models.ForeignKey(DrawnPhoto, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewer_uid = models.UUIDField(editable=False)
    is_skip = models.BooleanField(default=False, help_text="Put off, or taken back: nothing is said yet.")
    marks = models.JSONField(default=list, blank=True, help_text="[x, y] of each missed face, 0 to 1.")
    comment = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)
    replaces = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )
    is_standing = models.BooleanField(default=True)
    client_key = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["drawn_photo", "reviewer_uid"],
                condition=Q(is_standing=True),
                name="one_standing_photo_review",
            ),
            models.UniqueConstraint(
                fields=["reviewer_uid", "client_key"],
                condition=~Q(client_key=""),
                name="one_photo_review_per_client_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{len(self.marks)} faces marked in {self.drawn_photo}"
