"""A file as it came in: its name, its hash, and what is wrong with it at first sight. Nothing is stored here."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.core.files import uploadedfile

from classifier.intake.formats import SIGNATURE_BYTES, BadImage, recognise_format
from classifier.models import Photo
from classifier.models.photos import FOLDER_LENGTH

if TYPE_CHECKING:
    UploadedFile: TypeAlias = uploadedfile.UploadedFile[Any]
else:
    UploadedFile = uploadedfile.UploadedFile  # takes no parameter outside of the stubs

NAME_LENGTH = 255
FIELD_LENGTH = 60  # of a form field's name, as far as it is told


@dataclass
class ReceivedFile:
    """A file on its way to its item: refused, or stored as a photo; neither when that photo is there already."""

    name: str
    file: UploadedFile
    folder: str = ""
    sha256: str = ""
    refused: BadImage | None = None
    photo: Photo | None = None


def look_at(file: UploadedFile, *, folder: str = "") -> ReceivedFile:
    """The checks that need no decoder, and the hash by which duplicates are told; a file that fails has no hash."""
    received = ReceivedFile(name=clean_name(file.name), file=file, folder=clean_folder(folder))
    size = file.size or 0
    try:
        if not size:
            raise BadImage("empty")
        if size > settings.MAX_FILE_BYTES:
            raise BadImage("too_large", megabytes=settings.MAX_FILE_BYTES / 1024**2)
        file.seek(0)
        recognise_format(file.read(SIGNATURE_BYTES))
    except BadImage as refused:
        received.refused = refused
        return received
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    received.sha256 = digest.hexdigest()
    return received


def turn_away(file: UploadedFile, *, field: str) -> ReceivedFile:
    """A file that came in a form's field, by its name, that no photos are taken from."""
    refused = BadImage("misplaced", field=clean_name(field)[:FIELD_LENGTH])
    return ReceivedFile(name=clean_name(file.name), file=file, refused=refused)


def clean_name(name: str | None) -> str:
    """A file's name as it may be shown: no folders, no control or direction characters, at most 255 characters."""
    return _clean_words((name or "").replace("\\", "/").rsplit("/", 1)[-1])[:NAME_LENGTH] or "unnamed"


def clean_folder(path: str) -> str:
    """A relative path as it may be kept, `1999/May`: cleaned as names are, no steps upwards, cut where too long."""
    parts = (_clean_words(part) for part in path.replace("\\", "/").split("/"))
    return "/".join(part for part in parts if part not in ("", ".", ".."))[:FOLDER_LENGTH].rstrip("/ ")


def _clean_words(text: str) -> str:
    shown = "".join(" " if char.isspace() else char for char in text if char.isspace() or char.isprintable())
    return " ".join(shown.split())
