"""The labels of the model that a site runs, declared before anything speaks of labels."""

import json
from contextlib import suppress
from pathlib import Path

from ml import attributes

CARD_FILE = "model.json"


def declare(model_dir: str) -> tuple[str, ...]:
    """Let this process tell what the model in a folder tells, as gender in three labels; the attributes that differ.

    Nothing of a folder that cannot be read, or whose labels cannot be told: the worker says what is wrong with it.
    """
    if not model_dir:
        return ()
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads((Path(model_dir) / CARD_FILE).read_text(encoding="utf-8"))["labels"]
        return attributes.declare_labels({str(name): [str(label) for label in of] for name, of in found.items()})
    return ()
