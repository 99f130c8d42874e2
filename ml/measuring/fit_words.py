"""A calibration in words for the terminal, and as the values that a card keeps of it."""

import math
from collections.abc import Mapping
from typing import Any

from ml.measuring.calibration_fit import Fit
from ml.measuring.label_thresholds import BOUND_CONFIDENCE, LEAST_SURE, SLACK, LabelThreshold
from ml.metrics import shorten


def tell_fits(fits: Mapping[str, Fit]) -> str:
    """What was fitted, for people."""
    lines = []
    for attribute, fit in fits.items():
        lines.append(
            f"{attribute}, {fit.images} images: temperature {fit.temperatures[0]:.3f} -> {fit.temperatures[1]:.3f}, "
            f"calibration error {fit.errors[0]:.3f} -> {fit.errors[1]:.3f}, "
            f"negative log-likelihood {fit.likelihoods[0]:.3f} -> {fit.likelihoods[1]:.3f}"
        )
        for name, found in fit.thresholds.items():
            right = f", {found.accuracy:.1%} of them right" if found.accuracy is not None and found.sure else ""
            wanted = f" (target {found.target:.0%} of each label)" if found.target is not None else ""
            lines.append(f"  {name:12} {found.sure:.1%} sure{right}{wanted}")
            lines += [f"    {label:16} {_tell_label(of)}" for label, of in found.labels.items()]
    return "\n".join(lines)


def _tell_label(of: LabelThreshold) -> str:
    rests = f"{of.faces} faces" + (f", {of.precision:.1%} right, {of.bound:.1%} or more" if of.faces else "")
    return f"never sure: at best {rests}" if of.value is None else f"sure from {of.value:.2f}: {rests}"


def describe_fit(fit: Fit) -> dict[str, Any]:
    """What the card keeps of a fit."""
    return {
        "images": fit.images,
        "groups": list(fit.groups),
        "ece_before": shorten(fit.errors[0]),
        "ece_after": shorten(fit.errors[1]),
        "targets": {name: found.target for name, found in fit.thresholds.items() if found.target is not None},
        "sure": {
            name: {label: _describe_label(of) for label, of in found.labels.items()}
            for name, found in fit.thresholds.items()
            if found.labels
        },
        "rule": {"least_faces": LEAST_SURE, "slack": SLACK, "bound": BOUND_CONFIDENCE},
    }


def _describe_label(found: LabelThreshold) -> dict[str, float | None]:
    told = {"precision": found.precision, "bound": found.bound}
    numbers = {name: None if math.isnan(value) else shorten(value) for name, value in told.items()}
    return {"threshold": found.value, "faces": found.faces, **numbers}
