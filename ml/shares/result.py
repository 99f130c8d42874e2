"""What every estimator of shares answers."""

from dataclasses import dataclass, field

import numpy as np

COUNTED, ADJUSTED, REVIEWED = "counted", "adjusted", "reviewed"
# Which ends of an interval may be told; NEITHER where there are under five positives and under five negatives.
BOTH, UPPER, LOWER, NEITHER = "both", "upper", "lower", "neither"

CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Shares:
    """Shares (0..1) of the labels of one scheme among the faces of a collection, with 95 % intervals.

    All arrays are (K,), in the order of `labels`. Where `bounds` tells only one end, the other one is 0 or 1; it is
    "both" for all labels of an `adjusted` estimate. `labels` of a `reviewed` estimate end with "cannot tell".
    """

    scheme: str
    taxonomy: str
    labels: tuple[str, ...]
    estimator: str  # ADJUSTED or REVIEWED
    share: np.ndarray  # sums to 1
    low: np.ndarray
    high: np.ndarray
    bounds: tuple[str, ...]
    variance: np.ndarray  # squared standard errors
    faces: int  # counted faces that the shares are about
    population: float  # the same, less what is estimated to be no face or outside of the taxonomy
    reviewed: int = 0  # faces answered in their turn, "not a face" among them, inside of a filter where there is one
    waiting: int = 0  # answers given out of turn, which count when the faces before them are answered
    replicates: np.ndarray | None = field(default=None, repr=False)  # (B, K) of `adjusted`: one resample a row
    matrix_key: str = ""  # of `adjusted`: which evidence, seed and number the replicates of its matrix come from

    @property
    def effective(self) -> np.ndarray:
        """(K,) as how many examples of a plain random sample each share counts; infinite without any variance."""
        spread = self.share * (1 - self.share)
        count = np.full(len(spread), np.inf)
        varied = self.variance > 0
        count[varied] = np.where(spread[varied] > 0, spread[varied] / self.variance[varied], self.reviewed)
        return count

    @property
    def half_width(self) -> np.ndarray:
        """(K,) half the width of each interval."""
        half: np.ndarray = (self.high - self.low) / 2
        return half
