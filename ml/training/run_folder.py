"""The folder that a run writes into: whether it is free, and how it is made free of the run before."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ml.errors import BadRecipe
from ml.files import part_of
from ml.model.card import CARD_FILE, EVIDENCE_FILE, ONNX_FILE, TRAINED_FILE, WEIGHTS_FILE
from ml.reporting.model_card import DIAGRAM_FILE, MODEL_CARD_FILE
from ml.training.outcome import CURVES_FILE
from ml.training.watching import LAST_FOLDER, LIST_FILES, LOG_FILE, RUN_FILE, STATE_FILE

CHECKPOINT_FILES = (CARD_FILE, WEIGHTS_FILE, ONNX_FILE, TRAINED_FILE, EVIDENCE_FILE, MODEL_CARD_FILE, DIAGRAM_FILE)
# The state first: a run that breaks off in between cannot go on with what belongs to the one before.
RUN_FILES = (STATE_FILE, RUN_FILE, LOG_FILE, *LIST_FILES.values(), CURVES_FILE)
CONFUSIONS = ("confusion_*.csv", "confusion_*_counts.png", "confusion_*_percent.png")


def check_unused(folder: Path) -> None:
    """Raise BadRecipe where a folder holds a run, or a checkpoint, that a new run would replace."""
    found = [name for name in (STATE_FILE, CARD_FILE, RUN_FILE) if (folder / name).exists()]
    if found:
        raise BadRecipe(f"{folder} holds a run ({', '.join(found)}): go on with it by --resume, or --overwrite it")


def check_replaceable(folder: Path, *, needed: Sequence[Path]) -> None:
    """Raise BadRecipe where a file or a checkpoint that a run learns from is one of those that `clear_run` removes."""
    removed = {path.resolve() for path in _left_by_a_run(folder)}
    for path in needed:
        if not removed.isdisjoint((path.resolve(), (path / CARD_FILE).resolve())):
            raise BadRecipe(f"the run needs {path}, which --overwrite would remove: give it another --checkpoint-dir")


def clear_run(folder: Path, *, log_file: Path | None = None) -> None:
    """Remove what a run left in a folder, and in its log elsewhere; events and whatever else lies there stay."""
    for path in _left_by_a_run(folder):
        path.unlink(missing_ok=True)
        part_of(path).unlink(missing_ok=True)
    if log_file is not None:
        log_file.unlink(missing_ok=True)
    with suppress(OSError):  # none, or somebody keeps something of their own in it
        (folder / LAST_FOLDER).rmdir()


def _left_by_a_run(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in RUN_FILES)
    yield from (place / name for place in (folder, folder / LAST_FOLDER) for name in CHECKPOINT_FILES)
    for pattern in CONFUSIONS:
        yield from sorted(folder.glob(pattern))
