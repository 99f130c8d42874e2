"""One submission, what became of each file in it, and the photos: a photo's row is its own job."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from classifier.models.collections import Collection
from classifier.models.leases import Leased, LeasedQuerySet, State
from classifier.models.sorting import NameKeyField

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from classifier.models.accounts import User

FOLDER_LENGTH = 400


class PhotoQuerySet(LeasedQuerySet):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """The only way views and API fetch photos: everybody else gets 404."""
        return self.filter(collection__in=Collection.objects.visible_to(user), deleting_at=None)

    def owned_by(self, user: "User | AnonymousUser") -> Self:
        """The photos a user may delete or run again."""
        return self.filter(collection__in=Collection.objects.owned_by(user), deleting_at=None)

    def with_faces(self) -> Self:
        """Adds `counted_faces`, each with its current prediction: three queries more for any number of photos."""
        from classifier.models.faces import Face  # which needs Photo

        faces = Face.objects.counted().with_current_predictions().order_by("number")
        return self.prefetch_related(models.Prefetch("faces", queryset=faces, to_attr="counted_faces"))

    def with_tags(self) -> Self:
        """Adds `tags`, each with its column: one query more."""
        from classifier.models.tags import PhotoTag  # which needs Photo

        return self.prefetch_related(models.Prefetch("tags", queryset=PhotoTag.objects.select_related("column")))

    def collection_keys(self) -> list[int]:
        """The primary keys of the collections that these photos are in, now."""
        return list(self.order_by().values_list("collection_id", flat=True).distinct())

    def claimable(self) -> Self:
        return super().claimable().filter(deleting_at=None)

    def fail_attempt(self, *, pk: int, token: uuid.UUID, code: str) -> bool:
        with self._noted(pk=pk):
            return super().fail_attempt(pk=pk, token=token, code=code)

    def fail(self, *, pk: int, token: uuid.UUID, code: str) -> bool:
        with self._noted(pk=pk):
            return super().fail(pk=pk, token=token, code=code)

    def _give_up_lost(self, *, token: uuid.UUID) -> int:
        with self._noted(token=token):
            return super()._give_up_lost(token=token)

    @contextmanager
    def _noted(self, **which: Any) -> Iterator[None]:
        """A transaction after which reports tell that these photos could not be read.

        It holds their collections before them, as a deletion does.
        """
        with transaction.atomic(using=self.db):
            collections = Photo.objects.filter(**which).order_by().values("collection_id")
            Collection.objects.filter(pk__in=collections).note_answers()
            yield


class Upload(models.Model):
    """One submission: a drop on the page or one POST."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="uploads")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-received_at"]

    def __str__(self) -> str:
        return f"upload {self.uid}"


class Photo(Leased):
    """One stored image, upright and without metadata."""

    class Code(models.TextChoices):
        NO_FACE = "no_face", "no face was found"
        CRASHED = "crashed", "the analysis broke on this photo"
        TIMED_OUT = "timed_out", "the analysis took too long"
        WORKER_LOST = "worker_lost", "the worker was lost too often while it had this photo"
        FILE_MISSING = "file_missing", "the stored file is missing"
        INTERNAL = "internal", "an error inside Facet"

    class Nobody(models.TextChoices):
        DARK = "dark", "the photo is very dark"
        BRIGHT = "bright", "the photo is overexposed"
        BLURRED = "blurred", "the photo is blurred, or shows hardly any detail"
        TURNED = "turned", "something like a face lies on its side or stands on its head"
        TINY = "tiny", "something like a face is there, but too small"
        DRAWN = "drawn", "something like a face is there, but more like a drawing than a photographed one"
        UNCLEAR = "unclear", "something like a face is there, but not clear enough: turned away, or covered"
        NOTHING = "nothing", "nothing in it looks like a face"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="photos")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="photos")
    code = models.CharField(max_length=20, blank=True, choices=Code.choices)
    name = models.CharField(max_length=255, help_text="The file name as sent; for display only.")
    name_key = NameKeyField(default=b"", help_text="Sorts names as people count.")
    folder = models.CharField(
        max_length=FOLDER_LENGTH,
        blank=True,
        help_text="Where it lay as it was sent, from the folder that was dropped on; empty for a photo by itself.",
    )
    captured_on = models.DateField(
        null=True,
        blank=True,
        help_text="The day of its EXIF by the camera's clock, where the collection keeps it.",
    )
    sha256 = models.CharField(max_length=64, editable=False, help_text="Of the received bytes.")
    note = models.CharField(max_length=200, blank=True, help_text="What the decoder had to say, if anything.")
    width = models.PositiveIntegerField(help_text="Pixels of the stored, upright photo.")
    height = models.PositiveIntegerField()
    stored_bytes = models.PositiveBigIntegerField(default=0, help_text="Photo and thumbnails together.")
    image = models.FileField(max_length=120)
    thumbnail = models.FileField(max_length=120)
    received_at = models.DateTimeField(default=timezone.now)
    model_version = models.ForeignKey(
        "classifier.ModelVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="photos"
    )
    device = models.CharField(max_length=40, blank=True)
    timings_ms = models.JSONField(default=dict, blank=True)
    face_count = models.PositiveIntegerField(default=0)
    narrowest_face_px = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="How wide a face had to be to be found, in pixels of the photo; null where that was not noted.",
    )
    no_face_because = models.CharField(
        max_length=12, blank=True, default="", editable=False, help_text="Why none was found, as far as that shows."
    )
    turned = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="By how many degrees clockwise it was turned upright, as its faces told."
    )
    is_turned_back = models.BooleanField(
        default=False, editable=False, help_text="Somebody turned it back: it stays as it was sent."
    )
    detect_anew = models.BooleanField(
        default=False, editable=False, help_text="The next look finds faces anew; those it had are retired by then."
    )
    deleting_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Set when its deletion began; nobody sees it from then on.",
    )

    objects = PhotoQuerySet.as_manager()

    class Meta(Leased.Meta):
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "sha256"], name="one_photo_per_collection_and_hash")
        ]
        indexes = [
            *Leased.Meta.indexes,
            models.Index(fields=["collection", "-received_at", "-id"], name="photo_gallery"),
            models.Index(fields=["collection", "-face_count", "-id"], name="photo_most_faces"),
            models.Index(fields=["collection", "name_key", "id"], name="photo_by_name"),
            models.Index(fields=["collection", "folder", "-received_at", "-id"], name="photo_folders"),
            # Few collections keep dates.
            models.Index(
                fields=["collection", "captured_on"], condition=Q(captured_on__isnull=False), name="photo_captured"
            ),
            models.Index(fields=["owner", "-received_at", "-id"], name="photo_newest"),
            models.Index(fields=["collection", "state", "-received_at", "-id"], name="photo_gallery_of_state"),
            models.Index("collection", "queued_at", condition=Q(state=State.QUEUED), name="photo_run"),
            # Every sweep asks for begun deletions: nearly always there are none.
            models.Index("deleting_at", condition=Q(deleting_at__isnull=False), name="photo_deletions"),
        ]

    def __str__(self) -> str:
        return self.name

    def explain_nobody(self) -> str:
        """Why no face may have been found, in words; empty where that was not noted."""
        return self.Nobody(self.no_face_because).label if self.no_face_because else ""

    @property
    def path(self) -> str:
        """The name with the folder that it was sent from, where it was sent from one."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


class UploadItem(models.Model):
    """One file of a submission and its outcome."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "accepted"
        DUPLICATE = "duplicate", "already in this collection"
        EMPTY = "empty", "empty file"
        TOO_LARGE = "too_large", "too many bytes"
        TOO_MANY_PIXELS = "too_many_pixels", "too many pixels"
        UNSUPPORTED = "unsupported", "not a format Facet reads"
        DAMAGED = "damaged", "does not decode"
        NOT_READ = "not_read", "not read yet, send it again"

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="items")
    number = models.PositiveIntegerField(help_text="Place in the submission, from 1.")
    name = models.CharField(max_length=255)
    folder = models.CharField(
        max_length=FOLDER_LENGTH, blank=True, default="", help_text="Where it lay as it was sent."
    )
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    message = models.CharField(max_length=300, blank=True)
    photo = models.ForeignKey(Photo, on_delete=models.SET_NULL, null=True, blank=True, related_name="upload_items")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="one_item_per_number"),
            models.CheckConstraint(
                condition=Q(outcome__in=("accepted", "duplicate")) | Q(photo=None),
                name="refused_items_have_no_photo",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"
