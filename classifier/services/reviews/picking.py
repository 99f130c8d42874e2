"""Who is drawn: rows become the arrays of `ml.shares.draws` and come back. Imports numpy: import it where needed."""

from collections.abc import Sequence
from dataclasses import dataclass

from classifier.models import Draw
from classifier.services.reviews import arrays
from classifier.services.reviews.refusals import BadDraw
from ml.shares import draws
from ml.shares import errors as shares_errors


@dataclass(frozen=True)
class Picked:
    """A face, by its primary key, with its stratum and the probability that it came into the draw."""

    face: int
    stratum: int
    chance: float


def pick_part(draw: Draw, *, first: int, size: int) -> list[Picked]:
    """`size` faces from the strata `first` and later, in the order of serving. Raises BadDraw."""
    faces, stratum = arrays.read_frame(draw)
    inside = stratum >= first
    faces, stratum = faces[inside], stratum[inside] - first
    names = [row["label"] for row in draw.strata[first:]]
    try:
        if draw.allocation == Draw.Allocation.SIMPLE:
            drawn = draws.draw_simple(len(faces), size=size, seed=draw.seed + first)
        else:
            drawn = draws.draw_stratified(stratum, strata=names, size=size, seed=draw.seed + first)
    except shares_errors.BadDraw as error:
        raise _explain(error, size=size, left=len(faces), strata=len(set(stratum.tolist()))) from None
    rows = zip(faces[drawn.face].tolist(), drawn.stratum.tolist(), drawn.probability.tolist(), strict=True)
    return [Picked(face, of + first, chance) for face, of, chance in rows]


def pick_more(draw: Draw, *, size: int) -> list[Picked]:
    """`size` more faces of the frame as it is now. Raises BadDraw."""
    found, faces, stratum = arrays.rebuild(draw)
    try:
        larger = draws.enlarge(found, stratum, size=size, seed=draw.seed)
    except shares_errors.BadDraw as error:
        raise _explain(error, size=size, left=len(faces) - len(found), strata=len(set(stratum.tolist()))) from None
    new = slice(len(found), None)
    rows = zip(
        faces[larger.face[new]].tolist(), larger.stratum[new].tolist(), larger.probability[new].tolist(), strict=True
    )
    return [Picked(*row) for row in rows]


def pick_photos(photos: Sequence[int], *, size: int, seed: int) -> list[int]:
    """`size` of some photos, each equally likely, in the order of serving. Raises BadDraw."""
    try:
        drawn = draws.draw_simple(len(photos), size=size, seed=seed)
    except shares_errors.BadDraw as error:
        raise _explain(error, size=size, left=len(photos), strata=1, what="photo") from None
    return [photos[place] for place in drawn.face.tolist()]


def _explain(error: shares_errors.BadDraw, *, size: int, left: int, strata: int, what: str = "face") -> BadDraw:
    """What cannot be drawn, in a sentence with the number that can."""
    some = f"1 {what}" if left == 1 else f"{left:,} {what}s"
    sentences = {
        "empty": f"There is no {what} to draw from: none is wide enough, was analysed and fits the filter.",
        "too_large": f"{size:,} cannot be drawn: there {'is' if left == 1 else 'are'} {some} to draw from.",
        "too_small": f"{size:,} are too few: two are drawn of each of {strata} groups, so that no group is left out.",
    }
    return BadDraw(error.code, sentences.get(error.code, str(error)), size=size, left=left)
