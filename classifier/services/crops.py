"""A face as a small square picture of its own, cut from the stored photo when it is asked for."""

import io
from dataclasses import dataclass
from threading import BoundedSemaphore

from PIL import Image

from classifier.models import Face

SIDE_PX = 640  # of the picture that is sent, unless the face has fewer pixels
MARGIN = 1.7  # sides of the square by the longer side of the box: hair, chin and some of the surroundings
QUALITY = 88
# A photo of 50 megapixels takes 150 MB while it is cut: no more of them at once.
_AT_ONCE = BoundedSemaphore(2)


@dataclass(frozen=True)
class Square:
    """The square about a face, in whole pixels of its photo."""

    left: int
    top: int
    side: int

    def place(self, face: Face) -> tuple[float, float, float, float]:
        """The face's box in it as fractions (x1, y1, x2, y2), 0 to 1."""
        inside = (
            (face.x1 - self.left) / self.side,
            (face.y1 - self.top) / self.side,
            (face.x2 - self.left) / self.side,
            (face.y2 - self.top) / self.side,
        )
        x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in inside)
        return x1, y1, x2, y2


def square_of(face: Face) -> Square:
    """Where the picture of a face is cut, `face.photo` being loaded: inside of the photo, however near to its edge."""
    photo = face.photo
    wanted = round(MARGIN * max(face.x2 - face.x1, face.y2 - face.y1))
    side = max(min(wanted, photo.width, photo.height), 1)
    left, top = ((low + high - side) / 2 for low, high in ((face.x1, face.x2), (face.y1, face.y2)))
    return Square(_shift(left, side=side, length=photo.width), _shift(top, side=side, length=photo.height), side)


def _shift(start: float, *, side: int, length: int) -> int:
    """Moved inside the photo."""
    return round(min(max(start, 0), length - side))


def cut_face(face: Face) -> bytes:
    """The picture of a face as a JPEG of up to `SIDE_PX` each way. Raises FileNotFoundError where the photo is gone."""
    square = square_of(face)
    stored = face.photo.image
    with _AT_ONCE, stored.storage.open(str(stored.name)) as file, Image.open(file, formats=("JPEG",)) as photo:
        width, height = photo.size
        # libjpeg halves while it decodes: a face of half a photo needs no 50 megapixels.
        scale = min(SIDE_PX / square.side, 1.0)
        photo.draft("RGB", (max(int(width * scale), 1), max(int(height * scale), 1)))
        shrink = photo.width / width
        edges = (square.left, square.top, square.left + square.side, square.top + square.side)
        left, top, right, bottom = (round(value * shrink) for value in edges)
        cut = photo.crop((left, top, right, bottom)).convert("RGB")
    size = min(SIDE_PX, square.side)
    if cut.width > size:
        cut = cut.resize((size, size), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    cut.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
