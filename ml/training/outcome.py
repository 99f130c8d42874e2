"""What a finished run leaves beside its checkpoint: curves, and confusion matrices in counts and per cent."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ml.datasets.face_set import Classes
from ml.files import replace_file
from ml.reporting import figures
from ml.training.tally import Tally


def write_outcome(
    folder: Path, rows: Sequence[dict[str, float]], *, tally: Tally, classes: Mapping[str, Classes]
) -> None:
    """Curves of the log's rows, and the confusions of the last epoch where there are any."""
    draw_curves(folder, rows)
    if tally.confusions:
        write_confusions(folder, tally, classes=classes)


def draw_curves(folder: Path, rows: Sequence[dict[str, float]]) -> None:
    """curves.png: loss and accuracy of both sets over the epochs."""
    names = [key.removeprefix("val_") for key in rows[0] if key.startswith("val_") and " of " not in key]
    panels = {name: {f"train_{name}": "training", f"val_{name}": "validation"} for name in names}
    shares = [name for name in names if name != "loss"]
    replace_file(folder / "curves.png", figures.as_png(figures.curves(rows, panels=panels, percent=shares)))


def write_confusions(folder: Path, tally: Tally, *, classes: Mapping[str, Classes]) -> None:
    """confusion_ATTRIBUTE.csv with counts and per cent of the row, and a picture of each."""
    for name, matrix in tally.confusions.items():
        counts, of = matrix.cpu().numpy(), classes[name].names
        replace_file(folder / f"confusion_{name}.csv", _as_table(counts, names=of))
        for percent in (False, True):
            figure = figures.confusion(counts, names=of, percent=percent, title=f"{name}, validation")
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
