"""Counted labels by photo: in how many photos a label appears, alone or not, and how large its faces are."""

import zlib
from dataclasses import dataclass

import numpy as np

from ml.shares import faces as faces_
from ml.shares import resampling
from ml.shares.errors import BadInput, NoFaces
from ml.shares.faces import Faces
from ml.shares.resampling import COLLECTION, Bootstrap
from ml.shares.schemes import Scheme


@dataclass(frozen=True)
class PhotoShares:
    """Of the photos with a counted face the shares (K,) that show a label, and that show nothing else.

    Intervals are those of the draw of photos alone, not of the model's errors: these are counted labels.
    """

    labels: tuple[str, ...]
    photos: int
    any: np.ndarray
    any_low: np.ndarray
    any_high: np.ndarray
    only: np.ndarray
    only_low: np.ndarray
    only_high: np.ndarray


@dataclass(frozen=True)
class Widths:
    """How wide the faces of a label are, as a part of their picture's width (0..1), and its part of all faces' width.

    `mean` and `part` are (K,), NaN of a label without a face; intervals come from resampled photos. Counted labels.
    """

    labels: tuple[str, ...]
    faces: np.ndarray
    mean: np.ndarray
    mean_low: np.ndarray
    mean_high: np.ndarray
    part: np.ndarray
    part_low: np.ndarray
    part_high: np.ndarray


def share_photos(faces: Faces, *, scheme: Scheme, bootstrap: Bootstrap | None = None) -> PhotoShares:
    """Photos with at least one face of each label, and with no other. Raises NoFaces."""
    places = faces_.label_places(faces, scheme=scheme)
    count = len(scheme.labels)
    counts = resampling.count_by_photo(faces.photo, places, count=count)
    counts = counts[counts.sum(axis=1) > 0]
    if not len(counts):
        raise NoFaces("no_faces", f"no face has a label of {scheme.name}")
    shows = counts > 0
    alone = counts == counts.sum(axis=1, keepdims=True)
    columns = np.hstack([np.ones((len(counts), 1)), shows, alone])
    point = columns.sum(axis=0)[1:] / len(columns)
    totals = _resample(columns, bootstrap=bootstrap)
    low, high = resampling.percentile_interval(totals[:, 1:] / totals[:, :1], point)
    return PhotoShares(
        scheme.labels,
        len(counts),
        *(part for part in (point[:count], low[:count], high[:count])),
        *(part for part in (point[count:], low[count:], high[count:])),
    )


def measure_widths(faces: Faces, *, scheme: Scheme, bootstrap: Bootstrap | None = None) -> Widths:
    """The mean width of the faces of each label. Raises NoFaces, and BadInput("no_widths") where none is known."""
    if faces.width is None:
        raise BadInput("no_widths", "the widths of the faces are not known")
    places = faces_.label_places(faces, scheme=scheme)
    known = (places >= 0) & ~np.isnan(faces.width)
    if not known.any():
        raise NoFaces("no_faces", f"no face of known width has a label of {scheme.name}")
    count = len(scheme.labels)
    one_hot = np.eye(count)[places[known]]
    width = faces.width[known].astype(float)
    columns = np.hstack([one_hot, one_hot * width[:, None]])
    by_photo = resampling.sum_by_photo(faces.photo[known], columns)
    totals = _resample(by_photo, bootstrap=bootstrap, groups=np.ones((1, 2 * count)))
    mean, part = _mean_and_part(by_photo.sum(axis=0)[None], count=count)
    means, parts = _mean_and_part(totals, count=count)
    return Widths(
        scheme.labels,
        one_hot.sum(axis=0).astype(int),
        mean[0],
        *_interval(means, mean[0]),
        part[0],
        *_interval(parts, part[0]),
    )


def _mean_and_part(totals: np.ndarray, *, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of totals (B, 2 K) of numbers and widths: mean widths, and parts of all widths, both (B, K)."""
    numbers, widths = totals[:, :count], totals[:, count:]
    mean = np.where(numbers > 0, widths / np.where(numbers > 0, numbers, 1), np.nan)
    return mean, widths / widths.sum(axis=1, keepdims=True)


def _interval(replicates: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `percentile_interval`; NaN where the point is."""
    known = ~np.isnan(point)
    low, high = np.full_like(point, np.nan), np.full_like(point, np.nan)
    low[known], high[known] = resampling.percentile_interval(replicates[:, known], point[known])
    return low, high


def _resample(columns: np.ndarray, *, bootstrap: Bootstrap | None, groups: np.ndarray | None = None) -> np.ndarray:
    """Totals of resampled photos, none of them empty."""
    bootstrap = bootstrap or Bootstrap()
    rng = np.random.default_rng([bootstrap.seed, COLLECTION, zlib.crc32(np.ascontiguousarray(columns).data)])
    if groups is None:
        groups = np.eye(1, columns.shape[1])
    return resampling.redraw_totals(columns, bootstrap=bootstrap, rng=rng, groups=groups)
