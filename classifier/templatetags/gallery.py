"""What tiles, face cards and photo pages say of photos that somebody goes through."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from django import template
from django.urls import reverse

from classifier.http import files
from classifier.models import Face, Photo
from classifier.services import predictions
from classifier.templatetags.facet import group_label
from ml.attributes import ATTRIBUTES

register = template.Library()

TALLIED = 3  # labels that a tile names of several faces
# A tile is as wide as its photo in steps that nobody sees: each has its rule in ratios.css, from the narrowest on.
FLATTEST, RATIO_STEP, WIDEST = 0.5, 1.04, 3.0


class PhotoSet(Protocol):
    """What addresses need of `views.photo_sets.PhotoSet`."""

    parameters: dict[str, str]
    unfiltered: dict[str, str]

    def query(self, **changes: Any) -> str: ...

    def query_without(self, name: str) -> str: ...


@dataclass(frozen=True)
class Said:
    """A word or two of what the model guesses."""

    text: str
    is_unsure: bool = False


@register.simple_tag
def picture_address(route: str, photo: Photo, key: object = None) -> str:
    """Where a photo's picture (`photo-image`, `photo-thumbnail`), or that of a face of it, is served."""
    return files.picture_address(route, photo, key=key)


@register.simple_tag
def photo_address(photo: Photo, photo_set: PhotoSet, **changes: Any) -> str:
    """The address of a photo's page within the photos that somebody goes through."""
    return reverse("photo-detail", args=[photo.uid]) + photo_set.query(**changes)


@register.simple_tag
def set_query(photo_set: PhotoSet, **changes: Any) -> str:
    """The query of a set's address with some words changed; with none left, what an address without a query needs."""
    return photo_set.query(**changes) or "?"


@register.simple_tag
def query_without(photo_set: PhotoSet, name: str) -> str:
    """The query of a set's address without one of its filters."""
    return photo_set.query_without(name) or "?"


@register.simple_tag
def query_unfiltered(photo_set: PhotoSet) -> str:
    """The query of a set's address without any filter; grouping and order stay."""
    return photo_set.query(**dict.fromkeys(photo_set.parameters.keys() - photo_set.unfiltered.keys())) or "?"


def ratio_steps() -> list[float]:
    """The widths by height that tiles come in."""
    steps = [FLATTEST]
    while steps[-1] < WIDEST:
        steps.append(round(steps[-1] * RATIO_STEP, 3))
    return steps


RATIOS = ratio_steps()


@register.filter
def ratio_class(photo: Photo) -> str:
    """The step nearest to a photo's own ratio."""
    ratio = photo.width / photo.height
    place = min(range(len(RATIOS)), key=lambda step: abs(RATIOS[step] - ratio))
    return f"ratio-{place}{' is-whole' if is_whole(photo) else ''}"


@register.filter
def is_whole(photo: Photo) -> bool:
    """Whether a photo is so tall or wide that its tile shows it with bands, instead of cutting a hair's breadth off."""
    return not RATIOS[0] / RATIO_STEP <= photo.width / photo.height <= RATIOS[-1] * RATIO_STEP


@register.simple_tag
def face_words(face: Face, place: int, taxonomy: str, matching: set[int] | None = None) -> str:
    """A face in one line, for those who cannot see its box: which one, and the model's guesses with their doubts."""
    other = "; not one that the filters ask for" if is_other(face, matching) else ""
    told = _describe(face, taxonomy=taxonomy)
    if told is None:
        return f"Face {place}{other}"
    guesses = [_guess(answer["label"], unsure=answer["unsure"]) for answer in told.values()]
    small = "; cut off" if face.cut_off else "; too small to say much" if face.is_small() else ""
    return f"Face {place}, perceived as {', '.join(guesses) or 'nothing'}{small}{other}"


@register.filter
def is_other(face: Face, matching: set[int] | None) -> bool:
    """Whether a face stands beside those that the filters ask for."""
    return matching is not None and face.pk not in matching


@register.simple_tag
def tile_guesses(photo: Any, taxonomy: str) -> list[Said]:
    """What a tile says: of one face each guess, of several how many were guessed what; what is unsure comes last."""
    told = [answers for face in photo.counted_faces if (answers := _describe(face, taxonomy=taxonomy))]
    if len(told) == 1 and len(photo.counted_faces) == 1:
        return _say_one(told[0])
    return _tally(told)


def _say_one(answers: dict[str, Any]) -> list[Said]:
    if answers and all(answer["unsure"] for answer in answers.values()):
        return [Said("unsure", is_unsure=True)]
    said = [
        Said(f"unsure of the {ATTRIBUTES[name].short}", is_unsure=True)
        if answer["unsure"]
        else Said(group_label(answer["label"]))
        for name, answer in answers.items()
    ]
    return sorted(said, key=lambda one: one.is_unsure)


def _tally(told: list[dict[str, Any]]) -> list[Said]:
    """Faces by the first attribute that is told of them, the unsure ones last."""
    first = next((name for name in ATTRIBUTES if any(name in answers for answers in told)), None)
    answers = [answers[first] for answers in told if first in answers] if first else []
    sure = Counter(group_label(answer["label"]) for answer in answers if not answer["unsure"])
    said = [Said(f"{count} {label}") for label, count in sure.most_common(TALLIED)]
    if len(sure) > TALLIED:
        said.append(Said(f"{sum(sure.values()) - sum(count for _, count in sure.most_common(TALLIED))} others"))
    unsure = len(answers) - sum(sure.values())
    return [*said, *([Said(f"{unsure} unsure", is_unsure=True)] if unsure else [])]


def _describe(face: Any, *, taxonomy: str) -> dict[str, Any] | None:
    """What the model says of a face, worked out once for a page; None where no model has said anything."""
    kept = getattr(face, "described", None)
    if kept is None or kept[0] != taxonomy:
        prediction = face.prediction
        kept = (taxonomy, predictions.describe_prediction(prediction, taxonomy=taxonomy) if prediction else None)
        face.described = kept
    answers: dict[str, Any] | None = kept[1]
    return answers


def _guess(label: str, *, unsure: bool) -> str:
    return f"unsure ({group_label(label)})" if unsure else group_label(label)
