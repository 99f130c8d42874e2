"""What a report tells beside the shares of faces: photos, sizes of faces, quality of the pictures."""

from collections.abc import Sequence

import numpy as np

from ml.shares import intervals, photo_shares
from ml.shares.errors import BadInput, NoFaces
from ml.shares.evidence import Evidence
from ml.shares.faces import MEASURES
from ml.shares.resampling import Bootstrap
from ml.shares.schemes import Scheme
from ml.surveying.estimating import LEAST_WIDTH
from ml.surveying.report import PhotoRow, QualityRow, WidthRow
from ml.surveying.survey import Survey


def share_photos(survey: Survey, *, schemes: Sequence[Scheme], bootstrap: Bootstrap) -> dict[str, tuple[PhotoRow, ...]]:
    """By attribute, of the photos with a counted face; nothing of ready crops, of which each is a photo of its own."""
    if not survey.is_boxed and survey.faces.count_photos() == len(survey):
        return {}
    found = {}
    for scheme in schemes:
        told = photo_shares.share_photos(survey.faces, scheme=scheme, bootstrap=bootstrap)
        any_ = widen_points(told.any, told.any_low, told.any_high, photos=told.photos)
        only = widen_points(told.only, told.only_low, told.only_high, photos=told.photos)
        columns = (told.any, *any_, told.only, *only)
        found[scheme.name] = tuple(
            PhotoRow(label, *(float(column[k]) for column in columns)) for k, label in enumerate(told.labels)
        )
    return found


def widen_points(share: np.ndarray, low: np.ndarray, high: np.ndarray, *, photos: int) -> tuple[np.ndarray, np.ndarray]:
    """Intervals (K,) of which those without any width are Wilson's: no resample has what no photo shows."""
    is_point = high - low < LEAST_WIDTH
    lowest, highest = intervals.wilson(share, count=np.full(len(share), photos))
    return np.where(is_point, lowest, low), np.where(is_point, highest, high)


def measure_widths(
    survey: Survey, *, schemes: Sequence[Scheme], bootstrap: Bootstrap
) -> dict[str, tuple[WidthRow, ...]]:
    """By attribute; nothing where the widths of photos are not known."""
    found = {}
    for scheme in schemes:
        try:
            told = photo_shares.measure_widths(survey.faces, scheme=scheme, bootstrap=bootstrap)
        except (BadInput, NoFaces):
            continue
        found[scheme.name] = tuple(
            _tell_width(label, int(told.faces[k]), told.mean[k], told.mean_low[k], told.mean_high[k])
            for k, label in enumerate(told.labels)
        )
    return found


def measure_quality(survey: Survey, *, evidence: Evidence | None) -> tuple[QualityRow, ...]:
    """Quantiles of what was measured of the faces, beside the held-out ones'."""
    rows = []
    for name in MEASURES:
        values = survey.faces.measures.get(name)
        if values is None or np.isnan(values).all():
            continue
        low, median, high = np.nanquantile(values, (0.05, 0.5, 0.95))
        there = None if evidence is None else evidence.faces.measures.get(name)
        known: tuple[float | None, float | None] = (None, None)
        if there is not None and not np.isnan(there).all():
            known = (float(np.nanquantile(there, 0.05)), float(np.nanquantile(there, 0.95)))
        rows.append(QualityRow(name, float(low), float(median), float(high), *known))
    return tuple(rows)


def _tell_width(label: str, n: int, mean: float, low: float, high: float) -> WidthRow:
    """Without an interval where all such faces are in one photo: no resample can vary them."""
    ends = (_known(low), _known(high)) if high - low >= LEAST_WIDTH else (None, None)
    return WidthRow(label, n, _known(mean), *ends)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
