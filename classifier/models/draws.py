"""Draws: which faces, or photos, people look at, with what probability each was drawn, and from how many."""

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models

from classifier.models.collections import Collection
from classifier.models.faces import Face
from classifier.models.photos import Photo
from ml.attributes import LONGEST_NAME

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User


class Codebook(models.Model):
    """What reviewers of a collection are told that the questions mean. No version is changed; a new one follows."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="codebooks")
    version = models.PositiveIntegerField()
    text = models.TextField(max_length=10_000)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["collection", "version"], name="one_codebook_per_version")]

    def __str__(self) -> str:
        return f"codebook {self.version} of {self.collection}"


class DrawQuerySet(models.QuerySet["Draw"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Draws of collections that the user may read."""
        return self.filter(collection__in=Collection.objects.visible_to(user))

    def reviewable_by(self, user: "User | AnonymousUser") -> Self:
        """Draws in which the user may answer."""
        return self.filter(collection__in=Collection.objects.reviewable_by(user))

    def owned_by(self, user: "User | AnonymousUser") -> Self:
        """Draws that the user may enlarge and extend."""
        return self.filter(collection__in=Collection.objects.owned_by(user))


class Draw(models.Model):
    """A probability sample of the faces of a collection, or of its photos, that was chosen before anybody answered.

    `strata` are frozen when they are drawn from: label, part (1; higher: photos that came later) and number of faces.
    """

    class Kind(models.TextChoices):
        FACES = "faces", "faces"
        PHOTOS = "photos", "photos"

    class Allocation(models.TextChoices):
        HALF_EVEN = "half_even", "half in proportion to the strata, half evenly"
        SIMPLE = "simple", "simple random"

    class Ended(models.TextChoices):
        SWITCHED_OFF = "switched_off", "the attribute of its strata was switched off"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="draws")
    kind = models.CharField(max_length=6, choices=Kind.choices, default=Kind.FACES)
    filter = models.JSONField(default=dict, blank=True, help_text="What the faces were drawn among; empty: all.")
    narrowest_px = models.FloatField(help_text="Narrower faces are not drawn.")
    strata_attribute = models.CharField(max_length=LONGEST_NAME, blank=True, help_text="Whose guesses make the strata.")
    strata = models.JSONField(default=list, help_text="Label, part and frozen number of faces of each stratum.")
    attributes = models.JSONField(default=list, help_text="What is asked.")
    allocation = models.CharField(max_length=10, choices=Allocation.choices, default=Allocation.HALF_EVEN)
    seed = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField(help_text="How many were drawn, enlargements included.")
    codebook = models.ForeignKey(Codebook, on_delete=models.RESTRICT, related_name="draws")
    frame_last = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The newest photo that was there when it was drawn or extended last."
    )
    frame_photos = models.PositiveIntegerField(default=0, help_text="Photos that a draw of photos was drawn from.")
    declared_by = models.CharField(
        max_length=150, blank=True, help_text="Who says of faces that came from outside that they are a random draw."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended = models.CharField(max_length=16, blank=True, choices=Ended.choices)

    objects = DrawQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"draw of {self.size} {self.kind} of {self.collection}"

    @property
    def frame(self) -> int:
        """The faces, or photos, that it was drawn from, as they were counted then."""
        if self.kind == self.Kind.PHOTOS:
            return self.frame_photos
        return sum(int(stratum["faces"]) for stratum in self.strata)

    def questions(self) -> list[str]:
        """The attributes that are asked about and still on."""
        return [name for name in self.attributes if name in self.collection.attributes]

    def describe_strata(self) -> list[dict[str, Any]]:
        """The strata without those that hold nothing."""
        return [stratum for stratum in self.strata if stratum["faces"]]


class FrameFace(models.Model):
    """A face that a draw was drawn from, with its stratum then: so it is known what is left, and what has gone."""

    draw = models.ForeignKey(Draw, on_delete=models.CASCADE, related_name="frame_faces", db_index=False)
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="+")
    stratum = models.PositiveSmallIntegerField(help_text="Place in the draw's strata.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["draw", "face"], name="one_frame_face_per_draw")]

    def __str__(self) -> str:
        return f"{self.face} in stratum {self.stratum} of {self.draw_id}"


class DrawnFace(models.Model):
    """A face that was drawn. Never changed; it goes with its face, and with the attribute of its strata."""

    draw = models.ForeignKey(Draw, on_delete=models.CASCADE, related_name="drawn_faces", db_index=False)
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="drawn")
    stratum = models.PositiveSmallIntegerField(help_text="Place in the draw's strata.")
    inclusion_probability = models.FloatField(help_text="As the draw stood when this face was drawn, 0 to 1.")
    batch = models.PositiveSmallIntegerField(default=1, help_text="1; higher: drawn when the draw was enlarged.")
    place = models.PositiveIntegerField(help_text="In the order of the draw, from 1.")

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["draw", "face"], name="one_drawn_face_per_draw"),
            models.UniqueConstraint(fields=["draw", "place"], name="one_drawn_face_per_place"),
        ]

    def __str__(self) -> str:
        return f"{self.face}, drawn at place {self.place}"


class DrawnPhoto(models.Model):
    """A photo that was drawn, for people to mark the faces that were not found."""

    draw = models.ForeignKey(Draw, on_delete=models.CASCADE, related_name="drawn_photos", db_index=False)
    photo = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="drawn")
    inclusion_probability = models.FloatField(help_text="As the draw stood when this photo was drawn, 0 to 1.")
    batch = models.PositiveSmallIntegerField(default=1)
    place = models.PositiveIntegerField(help_text="In the order of the draw, from 1.")

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["draw", "photo"], name="one_drawn_photo_per_draw"),
            models.UniqueConstraint(fields=["draw", "place"], name="one_drawn_photo_per_place"),
        ]

    def __str__(self) -> str:
        return f"photo {self.photo_id}, drawn at place {self.place}"
