"""What a finished run leaves beside its checkpoint: curves, and confusion matrices in counts and per cent."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ml.datasets.face_set import Classes
from ml.files import replace_file
from ml.reporting import figures
from ml.training.watching import attributes_in

CURVES_FILE = "curves.png"


def write_outcome(
    folder: Path,
    rows: Sequence[dict[str, float]],
    *,
    confusions: Mapping[str, Tensor],
    epoch: int,
    classes: Mapping[str, Classes],
) -> None:
    """Curves of the log's rows, and the validation confusions (classes, classes) of the epoch that was kept."""
    draw_curves(folder, rows)
    for name, counts in confusions.items():
        write_confusion(folder, name, counts.cpu().numpy(), names=classes[name].names, epoch=epoch)


def draw_curves(folder: Path, rows: Sequence[dict[str, float]]) -> None:
    """curves.png: of both sets over the epochs the loss, then each output's plain loss beside its accuracy."""
    names = attributes_in(rows[-1])
    parts = ["loss", *(part for name in names for part in (f"{name}_loss", name)), "accuracy_multi"]
    parts = [part for part in parts if f"val_{part}" in rows[-1]]
    panels = {part.replace("_", " "): {f"train_{part}": "training", f"val_{part}": "validation"} for part in parts}
    if "val_years_off" in rows[-1]:
        panels["years off"] = {
            f"{part}_years_off": name for part, name in (("train", "training"), ("val", "validation"))
        }
    shares = ["accuracy multi", *(name.replace("_", " ") for name in names)]
    replace_file(folder / CURVES_FILE, figures.as_png(figures.curves(rows, panels=panels, percent=shares)))


def write_confusion(folder: Path, name: str, counts: np.ndarray, *, names: Sequence[str], epoch: int) -> None:
    """confusion_ATTRIBUTE.csv with counts and per cent of the row, and a picture of each."""
    replace_file(folder / f"confusion_{name}.csv", _as_table(counts, names=names))
    for percent in (False, True):
        title = f"{name}, validation, epoch {epoch}"
        figure = figures.confusion(counts, names=names, percent=percent, title=title)
        suffix = "percent" if percent else "counts"
        replace_file(folder / f"confusion_{name}_{suffix}.png", figures.as_png(figure))


def _as_table(counts: np.ndarray, *, names: Sequence[str]) -> str:
    """Rows are the labels, columns the predictions: first counts, then per cent of the row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["label", *names, *(f"{name} %" for name in names)])
    for name, row in zip(names, counts, strict=True):
        shares = 100 * row / max(1, row.sum())
        writer.writerow([name, *row.tolist(), *(round(float(share), 2) for share in shares)])
    return text.getvalue()
