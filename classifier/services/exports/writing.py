"""What somebody has here, written into a zip piece by piece: JSON, lines of JSON, CSV, and the photos as stored."""

import errno
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Sum
from django.utils import timezone

from classifier.models import (
    AccessToken,
    AuditEvent,
    Collection,
    CollectionShare,
    Draw,
    Photo,
    PhotoReview,
    Review,
    Upload,
    User,
)
from classifier.services import disk
from classifier.services.reviews import exporting
from ml.attributes import ATTRIBUTES

CHUNK_BYTES = 1024**2
ROWS_AT_ONCE = 500
README = """What Facet holds of {name}, as of {at:%Y-%m-%d %H:%M} UTC.

account.json            the account, tokens by name, sessions, shares
audit.jsonl             what the audit log tells of the account's doings
uploads.jsonl           what became of each file that was sent
reviews.csv             what {name} said of faces, here and in others' collections
photo_reviews.jsonl     where {name} saw faces that were not found
collections/UID/
  collection.json       its settings and the declaration
  photos/               the photos as they are stored, by uid
  results.jsonl         a line for each photo: its name, and each face with what models guess of it
  draws.json, reviews.csv, reports/    samples, what people said of its faces, reports that were kept

Guesses are how a model perceives a face, never facts about a person.
"""


def write_zip(user: User, *, file: IO[bytes]) -> None:
    """Write all of it. Raises OSError, also where there is no room for it."""
    stored = Photo.objects.owned_by(user).aggregate(bytes=Sum("stored_bytes"))["bytes"] or 0
    if not disk.has_room(for_bytes=stored):
        raise OSError(errno.ENOSPC, "no room for an export")
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README.format(name=user.username, at=timezone.now()))
        _write_json(archive, "account.json", _describe_account(user))
        _write_lines(archive, "audit.jsonl", _tell_doings(user))
        _write_lines(archive, "uploads.jsonl", _tell_uploads(user))
        _write_text(archive, "reviews.csv", exporting.write_rows(Review.objects.filter(reviewer_uid=user.uid)))
        _write_lines(archive, "photo_reviews.jsonl", _tell_marks(user))
        for collection in Collection.objects.filter(owner=user, deleting_at=None).order_by("pk"):
            _write_collection(archive, collection)


def _write_collection(archive: zipfile.ZipFile, collection: Collection) -> None:
    folder = f"collections/{collection.uid}"
    _write_json(archive, f"{folder}/collection.json", _describe_collection(collection))
    _write_lines(archive, f"{folder}/results.jsonl", _tell_photos(collection))
    draws = Draw.objects.filter(collection=collection).order_by("pk")
    columns = ("uid", "kind", "filter", "strata_attribute", "strata", "attributes", "seed", "size", "created_at")
    _write_json(archive, f"{folder}/draws.json", list(draws.values(*columns)))
    _write_text(archive, f"{folder}/reviews.csv", exporting.write_reviews(collection))
    for report in collection.kept_reports.order_by("number"):
        archive.writestr(f"{folder}/reports/{report.number}.json", report.content)
    photos = collection.photos.filter(deleting_at=None).order_by("pk")
    for uid, image in photos.values_list("uid", "image").iterator(chunk_size=ROWS_AT_ONCE):
        _write_photo(archive, f"{folder}/photos/{uid}.jpg", image=image)


def _describe_account(user: User) -> dict[str, Any]:
    from allauth.account.models import EmailAddress  # these models are there only after ours
    from allauth.mfa.models import Authenticator
    from allauth.usersessions.models import UserSession

    own = ("username", "email", "first_name", "last_name", "date_joined", "last_login", "leaving_at")
    terms = ("terms_version", "terms_accepted_at", "terms_accepted_by")
    given = CollectionShare.objects.filter(collection__owner=user)
    received = CollectionShare.objects.filter(user=user)
    tokens = AccessToken.objects.filter(user=user)
    return {
        **{name: getattr(user, name) for name in (*own, *terms)},
        "addresses": list(EmailAddress.objects.filter(user=user).values("email", "verified", "primary")),
        "groups": list(user.groups.values_list("name", flat=True)),
        "quota_bytes": user.allowed_bytes(),
        "tokens": list(tokens.values("name", "scope", "created", "last_used_at", "expiry")),
        "second_factors": list(Authenticator.objects.filter(user=user).values("type", "created_at", "last_used_at")),
        "sessions": list(UserSession.objects.filter(user=user).values("created_at", "ip", "user_agent")),
        "shares_given": list(given.values("collection__uid", "user__username", "role", "created_at")),
        "shares_received": list(received.values("collection__uid", "role", "created_at")),
    }


def _describe_collection(collection: Collection) -> dict[str, Any]:
    told = ("uid", "name", "purpose", "attributes", "taxonomy", "retention_days", "keeps_capture_dates")
    terms = ("is_aggregate_only", "is_opened_to_reviewers", "terms_version", "terms_accepted_at", "created_at")
    return {name: getattr(collection, name) for name in (*told, *terms)}


def _tell_doings(user: User) -> Iterable[Any]:
    doings = AuditEvent.objects.filter(actor=user).order_by("id")
    return doings.values("at", "action", "target", "details").iterator(chunk_size=ROWS_AT_ONCE)


def _tell_uploads(user: User) -> Iterator[dict[str, Any]]:
    for upload in Upload.objects.filter(owner=user).order_by("pk").iterator(chunk_size=ROWS_AT_ONCE):
        items = upload.items.order_by("number").values("name", "outcome", "message", "photo__uid")
        yield {"uid": upload.uid, "received_at": upload.received_at, "items": list(items)}


def _tell_marks(user: User) -> Iterable[Any]:
    marks = PhotoReview.objects.filter(reviewer_uid=user.uid, drawn_photo__photo__deleting_at=None).order_by("pk")
    columns = ("drawn_photo__photo__uid", "marks", "comment", "seconds", "at")
    told: Iterable[Any] = marks.values(*columns).iterator(chunk_size=ROWS_AT_ONCE)
    return told


def _tell_photos(collection: Collection) -> Iterator[dict[str, Any]]:
    photos = Photo.objects.filter(collection=collection, deleting_at=None).order_by("pk")
    columns = ("uid", "name", "folder", "captured_on", "received_at", "state", "code", "width", "height", "device")
    for photo in photos.prefetch_related("tags__column", "faces__predictions__model_version").iterator(
        chunk_size=ROWS_AT_ONCE
    ):
        yield {
            **{name: getattr(photo, name) for name in columns},
            "tags": {tag.column.name: tag.value for tag in photo.tags.all()},
            "faces": [_describe_face(face) for face in photo.faces.all()],
        }


def _describe_face(face: Any) -> dict[str, Any]:
    told = ("uid", "number", "x1", "y1", "x2", "y2", "detection", "size_px", "retired_at")
    guesses = [
        {
            "model": prediction.model_version.name,
            "probabilities": {
                name: dict(zip(ATTRIBUTES[name].labels, vector, strict=True))
                for name, vector in prediction.vectors.items()
                if name in ATTRIBUTES
            },
        }
        for prediction in face.predictions.all()
    ]
    return {name: getattr(face, name) for name in told} | {"guesses": guesses}


def _write_json(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    archive.writestr(name, json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1) + "\n")


def _write_lines(archive: zipfile.ZipFile, name: str, rows: Iterable[Any]) -> None:
    _write_text(archive, name, (json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n" for row in rows))


def _write_text(archive: zipfile.ZipFile, name: str, pieces: Iterable[str]) -> None:
    with archive.open(name, "w", force_zip64=True) as entry:
        for piece in pieces:
            entry.write(piece.encode())


def _write_photo(archive: zipfile.ZipFile, name: str, *, image: str) -> None:
    """A JPEG is not packed again. One that was deleted meanwhile is left out."""
    try:
        stored = default_storage.open(image)
    except FileNotFoundError:
        return
    entry = zipfile.ZipInfo(name)
    with stored, archive.open(entry, "w", force_zip64=True) as written:
        while piece := stored.read(CHUNK_BYTES):
            written.write(piece)
