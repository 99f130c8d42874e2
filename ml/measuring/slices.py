"""Faces parted by how good their picture is: size of the original, blur, brightness, grey or colour."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from tqdm import tqdm

from ml.datasets import face_set
from ml.seeing import quality

# Edges in pixels of the file along the chip's side. A chip is wider than the face: 48 px hold a face of about 40,
# under which little can be said; 150 px is what the default network eats, so larger ones were shrunk.
SIDE_EDGES = (48.0, 96.0, 150.0)
# The mean difference between a pixel's largest and smallest channel, of 255; compression leaves a little in grey ones.
GREY_CHROMA = 5.0


@dataclass(frozen=True)
class Slicing:
    """One way to part faces: the parts' `names`, and `places` (N,), the position of each face's part or -1."""

    name: str
    names: tuple[str, ...]
    places: np.ndarray


def slice_by_quality(faces: face_set.FaceSet, *, rows: np.ndarray) -> list[Slicing]:
    """By size (where the reader knows it), sharpness and brightness in quarters, and colour, of the faces at `rows`."""
    sharpness, brightness, chroma = np.empty(len(rows)), np.empty(len(rows)), np.empty(len(rows))
    for number, row in enumerate(tqdm(rows.tolist(), desc="quality", unit="img", disable=None)):
        chip = faces.images[row]
        sharpness[number] = quality.measure_sharpness(chip)
        brightness[number] = quality.measure_brightness(chip)
        chroma[number] = measure_chroma(chip)
    slicings = [] if faces.sides is None else [_slice_at(faces.sides[rows], SIDE_EDGES, name="size")]
    slicings += [
        _slice_quarters(sharpness, name="sharpness", low="blurriest", high="sharpest", digits=0),
        _slice_quarters(brightness, name="brightness", low="darkest", high="brightest", digits=2),
        Slicing("colour", ("grey", "coloured"), (chroma >= GREY_CHROMA).astype(np.int64)),
    ]
    return [replace(slicing, places=_spread(slicing.places, rows=rows, count=len(faces))) for slicing in slicings]


def _spread(places: np.ndarray, *, rows: np.ndarray, count: int) -> np.ndarray:
    spread = np.full(count, face_set.UNKNOWN, dtype=np.int64)
    spread[rows] = places
    return spread


def measure_chroma(chip: np.ndarray) -> float:
    """The mean difference of a chip's (S, S, 3) uint8 largest and smallest channel, in 0..255; 0 means grey."""
    red, green, blue = np.moveaxis(chip, 2, 0)
    # Pairwise: several times faster than max and min over the short axis.
    largest, smallest = (pick(pick(red, green), blue) for pick in (np.maximum, np.minimum))
    return float(np.mean(largest - smallest))


def _slice_at(values: np.ndarray, edges: tuple[float, ...], *, name: str) -> Slicing:
    between = [f"{low:g} to {high:g} px" for low, high in pairwise(edges)]
    names = (f"under {edges[0]:g} px", *between, f"{edges[-1]:g} px and more")
    places = np.where(np.isnan(values), face_set.UNKNOWN, np.searchsorted(edges, values, side="right"))
    return Slicing(name, names, places)


def _slice_quarters(values: np.ndarray, *, name: str, low: str, high: str, digits: int) -> Slicing:
    edges = np.quantile(values, (0.25, 0.5, 0.75))
    first, second, third = (f"{edge:.{digits}f}" for edge in edges)
    names = (
        f"{low} quarter (under {first})",
        f"second quarter ({first} to {second})",
        f"third quarter ({second} to {third})",
        f"{high} quarter (from {third})",
    )
    return Slicing(name, names, np.searchsorted(edges, values, side="right"))
