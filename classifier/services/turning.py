"""A photo that is turned upright: new files, then row and boxes in one transaction, then the old files go."""

import logging
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from classifier.intake import storage
from classifier.models import Collection, Face, Photo, PhotoReview, State

logger = logging.getLogger("facet.turning")


@dataclass(frozen=True)
class TurnedFiles:
    """New files of a photo that is turned clockwise by `degrees`, and what its row says of them in `values`."""

    degrees: int
    values: dict[str, Any]
    old: tuple[str, str]

    @property
    def new(self) -> tuple[str, str]:
        """The names of the new files: the photo's and its thumbnail's."""
        return (self.values["image"], self.values["thumbnail"])


def store_turned(photo: Photo, *, degrees: int) -> TurnedFiles:
    """Turn a stored photo clockwise by 90, 180 or 270 degrees, beside the files that it has.

    Raises FileNotFoundError where these are gone, BadImage where they are damaged, OSError for a full disk, say.
    """
    # A name never gets other bytes: browsers keep what they have seen under it.
    mark = secrets.token_hex(4)
    image, thumbnail = (f"{name.removesuffix('.jpg')}.{mark}.jpg" for name in storage.file_names(photo.uid))
    old = (str(photo.image.name), str(photo.thumbnail.name))
    made = storage.turn_photo(old[0], degrees=degrees, image=image, thumbnail=thumbnail)
    values = {
        "image": image,
        "thumbnail": thumbnail,
        "width": made.width,
        "height": made.height,
        "stored_bytes": made.stored_bytes,
        "turned": (photo.turned + degrees) % 360,
    }
    return TurnedFiles(degrees, values, old)


def turn_faces(faces: Iterable[Face], *, degrees: int, width: int, height: int) -> None:
    """Turn boxes and chips with their photo of width x height pixels; inside the transaction that turns its row."""

    def turn(x: float, y: float) -> tuple[float, float]:
        return {90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[degrees]

    turned = []
    for face in faces:
        one, other = turn(face.x1, face.y1), turn(face.x2, face.y2)
        face.x1, face.x2 = sorted((one[0], other[0]))
        face.y1, face.y2 = sorted((one[1], other[1]))
        face.chip_cx, face.chip_cy = turn(face.chip_cx, face.chip_cy)
        face.chip_angle = (face.chip_angle + degrees + 180) % 360 - 180
        turned.append(face)
    places = ("x1", "y1", "x2", "y2", "chip_cx", "chip_cy", "chip_angle")
    Face.objects.bulk_update(turned, places)


def turn_marks(photo: Photo, *, degrees: int) -> None:
    """Turn what people marked on a photo with it: fractions of its width and height; inside the same transaction."""
    marked = list(PhotoReview.objects.filter(drawn_photo__photo=photo).exclude(marks=[]))
    for review in marked:
        review.marks = [_turn_mark(x, y, degrees=degrees) for x, y in review.marks]
    PhotoReview.objects.bulk_update(marked, ["marks"])


def _turn_mark(x: float, y: float, *, degrees: int) -> list[float]:
    turned = {90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[degrees]
    return [round(part, 4) for part in turned]


def turn_back(photo: Photo) -> bool:
    """Show a photo again as it was sent, for good: no later look turns it. Its faces stay. Whether it was turned back.

    It is not where the photo is being analysed, or was not turned. Raises what `store_turned` raises.
    """
    if not photo.turned or photo.state != State.DONE:
        return False
    files = store_turned(photo, degrees=360 - photo.turned)
    with ExitStack() as undo:
        undo.callback(storage.remove_files, *files.new)
        with transaction.atomic():
            Collection.objects.filter(pk=photo.collection_id).hold()
            still = Photo.objects.filter(pk=photo.pk, state=State.DONE, image=files.old[0], deleting_at=None)
            if not still.update(**files.values, is_turned_back=True):
                return False
            turn_faces(photo.faces.all(), degrees=files.degrees, width=photo.width, height=photo.height)
            turn_marks(photo, degrees=files.degrees)
            Collection.objects.note_change([photo.collection_id])
        undo.pop_all()
    remove_old(files)
    return True


def remove_old(files: TurnedFiles) -> None:
    """Remove what the photo was before. Where a file resists it is left over, and the doctor finds it."""
    try:
        storage.remove_files(*files.old)
    except OSError as error:
        logger.warning("the files of a photo that was turned cannot be removed (%s)", error.strerror)
