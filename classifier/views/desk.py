"""What a page of review shows of questions, faces and counts; as HTML and, for its script, as JSON.

In a draw nothing of it tells the model's guess, nor the photo's name, which often tells as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from classifier.http import files
from classifier.models import CANNOT_TELL, Draw, Face
from classifier.services import crops
from classifier.services.reviews.progress import Progress
from classifier.templatetags.facet import attribute_label, attribute_title, group_label
from ml.attributes import ATTRIBUTES

CANNOT_TELL_DIGIT = 0
FACES_A_MINUTE, PHOTOS_A_MINUTE = 20, 6  # as we reckon for somebody who has done it for a while
WORTH_TELLING = 0.8  # of the width now: what is told is the next one that is as much narrower


@dataclass(frozen=True)
class Choice:
    """A button: what is stored, as people say it, and its key."""

    label: str
    word: str
    digit: int
    is_said: bool = False
    is_guess: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked about a face, with its answers in their order."""

    attribute: str
    title: str
    short: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Place:
    """Where the reviewer is: what is said around the faces, and the addresses that the script asks."""

    title: str
    heading: str
    address: str
    collection_address: str
    source: str
    end_words: str
    end_link: str
    next_address: str
    answer_address: str
    undo_address: str = ""
    progress_address: str = ""
    is_blind: bool = True
    is_counted: bool = True


def ask(
    attributes: Sequence[str], *, said: Mapping[str, str] | None = None, guess: Mapping[str, Any] | None = None
) -> list[Question]:
    """The questions about these attributes; `said` and `guess` mark the buttons of what was said and guessed."""
    said, guess = said or {}, guess or {}
    asked = []
    for name in attributes:
        choices = [Choice(label, group_label(label), digit) for digit, label in enumerate(ATTRIBUTES[name].labels, 1)]
        choices.append(Choice(CANNOT_TELL, "cannot tell", CANNOT_TELL_DIGIT))
        told = guess.get(name, {}).get("label")
        marked = (replace(one, is_said=said.get(name) == one.label, is_guess=told == one.label) for one in choices)
        asked.append(Question(name, attribute_title(name), ATTRIBUTES[name].short, tuple(marked)))
    return asked


def describe_face(face: Face, *, guess: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A face for the page, `face.photo` being loaded; boxes as fractions of its picture, and in the photo's pixels."""
    photo, box = face.photo, crops.square_of(face).place(face)
    return {
        "uid": str(face.uid),
        "crop": files.picture_address("face-crop", photo, key=face.uid),
        "box": [round(value, 4) for value in box],
        "ticks": draw_ticks(box),
        "words": f"The face to answer about, {face.size_px:.0f} pixels wide",
        "photo": {
            "src": files.picture_address("photo-image", photo),
            "width": photo.width,
            "height": photo.height,
            "box": [round(value, 1) for value in (face.x1, face.y1, face.x2, face.y2)],
        },
        "guess": guess,
    }


def draw_ticks(box: tuple[float, float, float, float]) -> str:
    """The four corners of a box as an SVG path."""
    x1, y1, x2, y2 = (round(value, 4) for value in box)
    arm = round(min(x2 - x1, y2 - y1) / 7, 4)
    corners = ((x1, y1, arm, arm), (x2, y1, -arm, arm), (x2, y2, -arm, -arm), (x1, y2, arm, -arm))
    return " ".join(f"M{x} {y + down:.4f}V{y}h{right}" for x, y, right, down in corners)


def title_of(draw: Draw) -> str:
    """A draw in a few words."""
    if draw.kind == Draw.Kind.PHOTOS:
        return f"{draw.size:,} photo{'' if draw.size == 1 else 's'}, for faces that were missed"
    faces = f"{draw.size:,} face{'' if draw.size == 1 else 's'}"
    return (
        f"{faces}, labelled elsewhere" if draw.declared_by else f"{faces} by {attribute_label(draw.strata_attribute)}"
    )


def tell_width(progress: Progress, *, attribute: str) -> str:
    """± 4.1 points now, ± 3.0 after 120 more."""
    found = progress.of(attribute)
    if found is None:
        return ""
    if found.now is None:
        return "no width yet: each group needs an answer first"
    now = f"± {found.now * 100:.1f} points now"
    later = next((step for step in found.later if step.half_width <= WORTH_TELLING * found.now), None)
    later = later or (found.later[-1] if found.later else None)
    return f"{now}, ± {later.half_width * 100:.1f} after {later.more:,} more" if later else now


def tell_time(count: int, *, kind: str = Draw.Kind.FACES) -> str:
    """How long so many faces or photos take: 5 minutes, 1 hour 40 minutes."""
    minutes = max(round(count / (PHOTOS_A_MINUTE if kind == Draw.Kind.PHOTOS else FACES_A_MINUTE)), 1)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    told = f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{told} {rest} minutes" if rest else told
