"""What a checkpoint carries of how it errs: its answers for held-out faces with known labels, both ways, in one file.

Read without torch. The file is safetensors, its arrays are named WAY.ARRAY as `ml.shares.evidence` packs them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from ml.model.card import EVIDENCE_FILE, DamagedCheckpoint, ModelCard
from ml.shares import evidence as evidence_
from ml.shares.errors import NoEvidence, SharesError
from ml.shares.evidence import Evidence

# What adds it to a checkpoint that has none.
COMMAND = "python -m ml.calibrate --evidence-only"


def attach(
    card: ModelCard, *, ways: Sequence[Evidence], data_sha256: str, untouched: str = ""
) -> tuple[ModelCard, bytes]:
    """The card that tells of this evidence, and the file's bytes. `ways` were measured of the card's own version.

    `data_sha256` is the hash of the held-out faces, `untouched` how it is known that no training touched them
    (`ml.datasets.seen.UNTOUCHED`). Raises ValueError without any evidence.
    """
    if not ways:
        raise ValueError("no evidence to attach")
    arrays = {f"{of.way}.{key}": np.ascontiguousarray(a) for of in ways for key, a in evidence_.pack(of).items()}
    # One entry: the order of several is another each time, and so would be the hash.
    content = save_arrays(arrays, metadata={"about": json.dumps({"data": ways[0].name, "labels": card.labels})})
    about: dict[str, Any] = {
        "file": EVIDENCE_FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "data": ways[0].name,
        "data_sha256": data_sha256,
        **({"untouched": untouched} if untouched else {}),
        "faces": {of.way: len(of) for of in ways},
        "measured_with": card.name,
    }
    return replace(card, evidence=about), content


def read_bytes(folder: Path, *, card: ModelCard) -> bytes:
    """The file as it is, which is the one that the card tells of.

    Raises NoEvidence("no_matrix") where the checkpoint carries none, and DamagedCheckpoint for another or no file.
    """
    if not card.evidence:
        raise NoEvidence("no_matrix", f"{card.name} does not carry how it errs: {COMMAND} adds it")
    try:
        content = (folder / EVIDENCE_FILE).read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{folder / EVIDENCE_FILE} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != card.evidence.get("sha256"):
        raise DamagedCheckpoint(f"{folder / EVIDENCE_FILE} is damaged or of another checkpoint: its hash differs")
    return content


def read_evidence(folder: Path, *, card: ModelCard, way: str) -> Evidence:
    """What is known of one way, `evidence.CHIPS` or `evidence.PHOTOS`.

    Raises what `read_bytes` raises, NoEvidence("no_matrix") where this way was not measured.
    """
    return parse_evidence(read_bytes(folder, card=card), card=card, way=way, source=str(folder / EVIDENCE_FILE))


def parse_evidence(content: bytes, *, card: ModelCard, way: str, source: str) -> Evidence:
    """What the file's bytes tell of one way; `source` names them in errors. Raises like `read_evidence`."""
    try:
        arrays = load_arrays(content)
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{source}: {error}") from error
    found = {key.removeprefix(f"{way}."): values for key, values in arrays.items() if key.startswith(f"{way}.")}
    if not found:
        raise NoEvidence("no_matrix", f"{card.name} was not measured on {way}: {COMMAND} does it")
    try:
        return evidence_.unpack(found, classes=card.labels, name=str(card.evidence.get("data", "")), way=way)
    except NoEvidence:
        raise
    except SharesError as error:
        raise DamagedCheckpoint(f"{source}: {error}") from error
