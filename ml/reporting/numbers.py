"""Numbers as the reports write them: shares as percentages with one digit, signed differences, intervals."""

import math
from typing import TypeGuard

NOTHING = "–"  # where there is nothing to tell: no image, no label


def percent(share: float | None, *, digits: int = 1) -> str:
    """A share in 0..1 as `63.2 %`."""
    return f"{100 * share:.{digits}f} %" if _known(share) else NOTHING


def points(difference: float | None, *, digits: int = 1) -> str:
    """A difference of shares, in percentage points with its sign: `+1.2`."""
    if not _known(difference):
        return NOTHING
    rounded = round(100 * difference, digits)
    return f"{rounded + 0.0:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def interval(low: float | None, high: float | None, *, digits: int = 1) -> str:
    """An interval of shares: `61.0 to 65.4`."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f}" if _known(low) and _known(high) else NOTHING


def points_interval(low: float | None, high: float | None, *, digits: int = 1) -> str:
    """An interval of differences: `-0.4 to +2.1`."""
    told = f"{points(low, digits=digits)} to {points(high, digits=digits)}"
    return told if _known(low) and _known(high) else NOTHING


def decimal(value: float | None, *, digits: int = 3) -> str:
    """A plain number: `0.024`."""
    return f"{value:.{digits}f}" if _known(value) else NOTHING


def p_value(value: float | None) -> str:
    """A p-value, never as zero: `0.031`, `< 0.001`."""
    if not _known(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def tell_p(value: float | None) -> str:
    """A p-value in a sentence, on one line: `p = 0.031`, `p < 0.001`."""
    told = p_value(value)
    return f"p {told if told.startswith('<') else f'= {told}'}".replace(" ", "\N{NO-BREAK SPACE}")


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)
