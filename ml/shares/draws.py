"""Draws of faces (or photos) to be reviewed: who is drawn, with what probability, in what order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.shares.errors import BadDraw

LEAST_OF_A_STRATUM = 2
WRITTEN = 1e-5  # how far a probability may be off, of itself, when it comes out of a file
STRATIFIED, SIMPLE = "stratified", "simple"
OUTSIDE = -1  # the position of a drawn face that is in the frame, and not among the faces that are told of


@dataclass(frozen=True)
class Draw:
    """n faces drawn without replacement out of a frame of N in H strata, in the order in which they are served.

    `frame` (H,) are the numbers of faces of each stratum; `face` (n,) positions in the arrays that were drawn from, or
    OUTSIDE, `stratum` (n,) the stratum of each. `design` is STRATIFIED, or SIMPLE with one stratum. Raises BadDraw
    (`does_not_fit`) where a stratum holds more drawn faces than faces, a face is drawn twice, or a stratum is unknown.
    """

    strata: tuple[str, ...]
    frame: np.ndarray
    face: np.ndarray
    stratum: np.ndarray
    design: str = STRATIFIED

    def __post_init__(self) -> None:
        if len(self.strata) != len(self.frame) or self.face.shape != self.stratum.shape:
            raise BadDraw("does_not_fit", "strata, frame and drawn faces do not fit each other")
        if len(self.stratum) and not 0 <= self.stratum.min() <= self.stratum.max() < len(self.frame):
            raise BadDraw("does_not_fit", "a drawn face is of a stratum that is not there")
        if (self.drawn > self.frame).any():
            raise BadDraw("does_not_fit", "more faces are drawn from a stratum than it has")
        inside = self.face[self.face != OUTSIDE]
        if len(np.unique(inside)) != len(inside):
            raise BadDraw("does_not_fit", "a face is drawn twice")

    def __len__(self) -> int:
        return len(self.face)

    @property
    def drawn(self) -> np.ndarray:
        """(H,) n_h."""
        return np.bincount(self.stratum, minlength=len(self.frame))

    @property
    def probability(self) -> np.ndarray:
        """(n,) the inclusion probability n_h / N_h of each drawn face; of an enlarged draw, that of both together."""
        chance: np.ndarray = (self.drawn / np.maximum(self.frame, 1))[self.stratum]
        return chance


def allocate(frame: np.ndarray, *, size: int, taken: np.ndarray | None = None) -> np.ndarray:
    """(H,) how many to draw of each stratum of `frame` (H,) faces, `size` together.

    Half in proportion, half evenly, at least 2 of a stratum, never more than it has (Cochran 1977, ch. 5). Of an
    enlarged draw `taken` (H,) are there already: what is added brings both together near to that, and never fewer.
    Raises BadDraw: `empty` without faces, `too_small` where two of each stratum are more than `size`, `too_large`
    where not so many are left.
    """
    frame = np.asarray(frame, dtype=np.int64)
    taken = np.zeros_like(frame) if taken is None else np.asarray(taken, dtype=np.int64)
    left = frame - taken
    if not frame.sum():
        raise BadDraw("empty", "there is no face to draw from")
    if size > left.sum() or size < 1:
        raise BadDraw("too_large" if size > 0 else "too_small", f"{size} of {left.sum()} faces cannot be drawn")
    least = np.clip(np.minimum(LEAST_OF_A_STRATUM, frame) - taken, 0, left)
    if least.sum() > size:
        raise BadDraw("too_small", f"{size} faces are too few for two of each of {int((frame > 0).sum())} strata")
    total = size + taken.sum()
    wanted = total / 2 * frame / frame.sum() + total / 2 * (frame > 0) / (frame > 0).sum()
    return _round_within(np.clip(wanted - taken, 0, None), low=least, high=left, size=size)


def draw_stratified(stratum: np.ndarray, *, strata: Sequence[str], size: int, seed: int) -> Draw:
    """Draw of the faces (N,) whose strata (places in `strata`; negative: not in the frame) are given.

    Served in random order within the strata; the first of each stratum come first, then all strata at an even pace, so
    that an estimate is soon possible and every prefix is near to the allocation. `size` above the frame is an error.
    Raises BadDraw as `allocate`.
    """
    frame = np.bincount(stratum[stratum >= 0], minlength=len(strata))
    numbers = allocate(frame, size=size)
    face, of = _pick(stratum, numbers=numbers, seed=seed, taken=None)
    return Draw(tuple(strata), frame, face, of)


def draw_simple(count: int, *, size: int, seed: int) -> Draw:
    """`size` of `count` faces or photos at random, each equally likely, in random order. Raises BadDraw."""
    if not 1 <= size <= count:
        code = "empty" if not count else "too_large" if size > count else "too_small"
        raise BadDraw(code, f"{size} of {count} cannot be drawn")
    face = np.random.default_rng([seed, 0]).choice(count, size=size, replace=False)
    return Draw(("all",), np.array([count]), face, np.zeros(size, dtype=np.int64), SIMPLE)


def enlarge(draw: Draw, stratum: np.ndarray, *, size: int, seed: int) -> Draw:
    """The draw with `size` more faces of the same frame, served after those that it has.

    `stratum` (N,) is the same as of the first draw. The size must be fixed without looking at answers.
    Raises BadDraw, also `does_not_fit` where the frame has changed.
    """
    frame = np.bincount(stratum[stratum >= 0], minlength=len(draw.frame))
    if len(frame) != len(draw.frame) or (frame != draw.frame).any():
        raise BadDraw("does_not_fit", "the frame has changed since the draw: extend or remove first")
    if draw.design == SIMPLE:
        left = np.setdiff1d(np.flatnonzero(stratum >= 0), draw.face)
        if not 1 <= size <= len(left):
            raise BadDraw("too_large" if size > 0 else "too_small", f"{size} of {len(left)} faces cannot be drawn")
        face = np.random.default_rng([seed, len(draw)]).choice(left, size=size, replace=False)
        of = np.zeros(size, dtype=np.int64)
    else:
        numbers = allocate(frame, size=size, taken=draw.drawn)
        face, of = _pick(stratum, numbers=numbers, seed=seed, taken=draw.face)
    return replace(draw, face=np.concatenate([draw.face, face]), stratum=np.concatenate([draw.stratum, of]))


def extend(draw: Draw, later: Draw) -> Draw:
    """The draw with faces that came later: their strata are added to the frame as strata of their own.

    `later` is a draw from the new faces alone; its positions must be those in the arrays of all faces together.
    A simple draw becomes a stratified one. Raises BadDraw.
    """
    return Draw(
        strata=(*draw.strata, *later.strata),
        frame=np.concatenate([draw.frame, later.frame]),
        face=np.concatenate([draw.face, later.face]),
        stratum=np.concatenate([draw.stratum, later.stratum + len(draw.frame)]),
        design=STRATIFIED,
    )


def remove(draw: Draw, *, gone: np.ndarray, stratum: np.ndarray) -> tuple[Draw, np.ndarray]:
    """The draw without deleted or moved faces, which leave frame and sample; and which rows (n,) of it stay.

    `gone` (N,) marks the faces in the arrays that were drawn from, `stratum` (N,) is as of the draw, with negative
    places outside of the frame. Positions stay those of the old arrays.
    """
    counts = np.bincount(stratum[gone & (stratum >= 0)], minlength=len(draw.frame))
    stays = ~gone[draw.face]
    return replace(draw, frame=draw.frame - counts, face=draw.face[stays], stratum=draw.stratum[stays]), stays


def rebuild(
    *, strata: Sequence[str], frame: np.ndarray, stratum: np.ndarray, probability: np.ndarray, design: str = STRATIFIED
) -> Draw:
    """A draw as read back from a file: rows (n,) in their order, with the inclusion probabilities written there.

    Positions become 0..n-1. Probabilities must be written to six significant digits.
    Raises BadDraw: `does_not_fit`, and `probabilities_differ` where one is not n_h / N_h.
    """
    stratum = np.asarray(stratum)
    draw = Draw(tuple(strata), np.asarray(frame), np.arange(len(stratum)), stratum, design)
    if not np.allclose(draw.probability, probability, rtol=WRITTEN, atol=0):
        raise BadDraw("probabilities_differ", "inclusion probabilities do not fit the frame: rows or faces are missing")
    return draw


def _pick(
    stratum: np.ndarray, *, numbers: np.ndarray, seed: int, taken: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and strata of the faces drawn, in the order of serving."""
    rng = np.random.default_rng([seed, 0 if taken is None else len(taken)])
    open_ = stratum.copy()
    if taken is not None:
        open_[taken] = -1
    faces, strata, turns = [], [], []
    for place, number in enumerate(numbers):
        faces.append(rng.choice(np.flatnonzero(open_ == place), size=number, replace=False))
        strata.append(np.full(number, place))
        turn = (np.arange(number) + rng.random(number)) / max(1, number)
        if taken is None:
            turn[:1] -= 1
        turns.append(turn)
    order = np.argsort(np.concatenate(turns), kind="stable")
    return np.concatenate(faces)[order], np.concatenate(strata)[order]


def _round_within(wanted: np.ndarray, *, low: np.ndarray, high: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers between low and high (H,) that add up to size, as near to the proportions wanted as may be."""
    reach = max(float(size), 1.0)
    below, above = 0.0, reach / max(float(wanted[wanted > 0].min()) if (wanted > 0).any() else 1.0, 1e-9)
    for _ in range(100):  # the factor at which the clipped numbers add up
        factor = (below + above) / 2
        below, above = (factor, above) if np.clip(wanted * factor, low, high).sum() < size else (below, factor)
    exact = np.clip(wanted * above, low, high)
    numbers = np.floor(exact + 1e-9).astype(np.int64)
    while (missing := size - int(numbers.sum())) > 0:
        room = np.where(numbers < high, exact - numbers, -np.inf)
        best = np.argsort(-room, kind="stable")[:missing]
        numbers[best[room[best] > -np.inf]] += 1
    return numbers
