"""What is known of a checkpoint without loading it: its JSON, read without torch."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ml import labels, measured
from ml.calibration import Calibration, NumberRule, SetRule, Thresholds, calibration_values, parse_calibration
from ml.errors import FacetError
from ml.files import replace_files
from ml.model.members import Member, member_values, parse_members, parse_preset, preset_values
from ml.preprocess import Preset

FORMAT_VERSION = 1
CARD_FILE, WEIGHTS_FILE, ONNX_FILE = "model.json", "model.safetensors", "model.onnx"
EVIDENCE_FILE, TRAINED_FILE = "evidence.safetensors", "trained.safetensors"
DEFAULT_DIR = Path(__file__).parents[1] / "weights"
REVIEWED_FACES = "reviewed_faces"  # in a recipe: whose answers were learned


class CheckpointError(FacetError):
    """A checkpoint that cannot be used; `code` says why in one word."""

    code = "unusable"


class MissingCheckpoint(CheckpointError):
    code = "missing"


class DamagedCheckpoint(CheckpointError):
    code = "damaged"


class UnsafeCheckpoint(CheckpointError):
    """A pickle that asks for code to be run; nothing of it was executed."""

    code = "unsafe"


class MissingRuntime(CheckpointError):
    """What would run it is not installed."""

    code = "runtime"


class FixedPrecision(CheckpointError):
    """It computes in the precision that it was exported in, and another was asked for."""

    code = "precision"


class OtherFormat(CheckpointError):
    """Written by another version of Facet, in a format that this one does not read."""

    code = "format"


class OtherLabels(CheckpointError):
    """Its labels are not those of `ml.labels`, so its vectors would be read wrongly."""

    code = "labels"


@dataclass(frozen=True)
class ModelCard:
    """Everything that travels with the weights.

    `labels` are per attribute in the order of the vectors; `temperatures` divide the logits; `thresholds`, `sets` and
    `numbers` are as in `calibration`. `sha256` covers weights and JSON; empty until saved.
    `answers_sha256` covers what decides its answers alone (`hash_answers`), and is known once the weights were read.
    `evidence` tells of the file with the model's answers for held-out faces: its own `sha256`, the numbers of faces,
    and which version was asked. It is what was measured of a version, not a part of it, so `sha256` leaves it out;
    empty where there is none. `trained` tells of the file by which the images that were trained on are known again, as
    `evidence` does of its own; `folder` is where the card was read or written, None where it was just made. `members`
    are the networks of a joint one, whose logits `temperatures` divide once more.
    """

    name: str
    arch: str
    labels: dict[str, tuple[str, ...]]
    preset: Preset = field(default_factory=Preset)
    temperatures: dict[str, float] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=dict)
    sets: Mapping[str, Mapping[str, SetRule]] = field(default_factory=dict)
    numbers: Mapping[str, NumberRule] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    trained_on: str = ""
    sha256: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    trained: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)
    answers_sha256: str = field(default="", compare=False)

    @cached_property
    def calibration(self) -> Calibration:
        """What it may say beyond probabilities."""
        return Calibration(self.thresholds, self.sets, self.numbers)

    def taxonomy(self, attribute: str) -> str:
        """The finest taxonomy of an attribute; labels of its own have one grouping, named after the attribute."""
        is_declared = labels.is_told_in_taxonomies(attribute, self.labels.get(attribute, ()))
        return labels.taxonomies_of(attribute)[0] if is_declared else attribute

    def is_unsure(self, attribute: str, *, label: str, probability: float) -> bool:
        """Whether a face's likeliest label, in the finest taxonomy, is to be called unsure."""
        taxonomy = self.taxonomy(attribute)
        return self.calibration.is_unsure(attribute, taxonomy=taxonomy, label=label, probability=probability)

    @property
    def learned_from(self) -> frozenset[str]:
        """Reviewed faces, by what a site calls them, of which it was taught the answers: on them it is not measured."""
        return frozenset(map(str, self.recipe.get(REVIEWED_FACES, ())))


def read_card(folder: Path = DEFAULT_DIR, *, own_labels: bool = False) -> ModelCard:
    """Read a checkpoint's JSON; `own_labels` takes it whatever its labels are, as a recipe may define its own.

    Raises MissingCheckpoint, DamagedCheckpoint, OtherFormat or OtherLabels.
    """
    try:
        found = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingCheckpoint(f"no {CARD_FILE} in {folder}") from error
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"{folder / CARD_FILE} cannot be read: {error}") from error
    card = parse_card(found, source=str(folder / CARD_FILE), own_labels=own_labels)
    return replace(card, folder=folder)


def parse_card(found: Any, *, source: str, own_labels: bool = False) -> ModelCard:
    """A card from the values of its JSON; `source` names it in errors. Raises like `read_card`."""
    if not isinstance(found, dict):
        raise DamagedCheckpoint(f"{source} is not a checkpoint's card")
    if found.get("format") != FORMAT_VERSION:
        raise OtherFormat(f"{source} has format {found.get('format')!r}; this Facet reads {FORMAT_VERSION}")
    try:
        calibration = parse_calibration(found)
        card = ModelCard(
            name=str(found["name"]),
            arch=str(found["arch"]),
            labels={name: tuple(values) for name, values in found["labels"].items()},
            preset=parse_preset(found["preset"]),
            temperatures={name: float(value) for name, value in found["temperatures"].items()},
            thresholds=calibration.thresholds,
            sets=calibration.sets,
            numbers=calibration.numbers,
            metrics=dict(found["metrics"]),
            recipe=dict(found["recipe"]),
            licence=str(found["licence"]),
            trained_on=str(found["trained_on"]),
            sha256=str(found["sha256"]),
            evidence=dict(found.get("evidence", {})),
            members=parse_members(found.get("members", ())),
            trained=dict(found.get("trained", {})),
            answers_sha256=str(found.get("answers_sha256", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedCheckpoint(f"{source} is incomplete: {error!r}") from error
    for attribute, values in card.labels.items():
        if not own_labels and labels.ATTRIBUTES.get(attribute) != values:
            raise OtherLabels(f"{source}: the labels of {attribute!r} are not those of this Facet")
    return card


def tell_once(texts: Iterable[str]) -> str:
    """The parts of texts like "MIT; data: FairFace", each once, in the order in which they come."""
    return "; ".join(dict.fromkeys(part for text in texts for part in text.split("; ") if part))


def card_values(card: ModelCard) -> dict[str, Any]:
    """A card as the values of its JSON that its hash covers: all but itself and what tells of the files beside it."""
    return {
        "format": FORMAT_VERSION,
        "name": card.name,
        "arch": card.arch,
        "preset": preset_values(card.preset),
        "labels": {name: list(values) for name, values in card.labels.items()},
        "temperatures": card.temperatures,
        **calibration_values(card.calibration),
        "metrics": card.metrics,
        "recipe": card.recipe,
        "licence": card.licence,
        "trained_on": card.trained_on,
        # Left out where there are none, so that the hash of a checkpoint from before there were members stays true.
        **({"members": [member_values(member) for member in card.members]} if card.members else {}),
    }


def hash_answers(card: ModelCard, *, weights: bytes) -> str:
    """SHA-256 in hex over the weights file's bytes and what turns their output into answers: not what it is called,
    how it was trained or what was measured of it.
    """
    values = card_values(card)
    kept = ("arch", "preset", "labels", "temperatures", *calibration_values(card.calibration), "members")
    told = {name: values[name] for name in kept if name in values}
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())
    return digest.hexdigest()


def hash_checkpoint(card: ModelCard, *, weights: bytes) -> str:
    """SHA-256 in hex over the weights file's bytes, then the card's JSON in canonical form without the hash."""
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(card_values(card), sort_keys=True, separators=(",", ":")).encode())
    return digest.hexdigest()


def write_pair(
    folder: Path,
    *,
    card: ModelCard,
    weights: bytes,
    weights_file: str,
    evidence: bytes | None = None,
    trained: bytes | None = None,
) -> ModelCard:
    """Write weights and their card into a folder and return the card with its hash.

    All files are written beside their places and renamed; the hash tells a pair that does not belong together.
    `evidence` and `trained` are the bytes that the card tells of under these names; None leaves the file that is there.
    What was measured of another version than this is kept apart (`ml.measured`).
    What the card's own folder knows of trained images goes along to another one, whatever is made of the checkpoint.
    """
    answers = hash_answers(card, weights=weights)
    if not card.sha256 or hash_checkpoint(card, weights=weights) != card.sha256:
        card = replace(card, metrics=measured.settle(card.metrics, answers=answers, is_new=not card.sha256))
    card = replace(card, sha256=hash_checkpoint(card, weights=weights), answers_sha256=answers)
    if card.trained and trained is None:
        trained = _read_beside(card, to=folder)
    told = {name: about for name in ("evidence", "trained") if (about := getattr(card, name))}
    told |= {"answers_sha256": answers, "sha256": card.sha256}
    text = json.dumps({**card_values(card), **told}, indent=2, ensure_ascii=False) + "\n"
    beside = {EVIDENCE_FILE: evidence, TRAINED_FILE: trained}
    contents = {folder / name: content for name, content in beside.items() if content is not None}
    replace_files(contents | {folder / weights_file: weights, folder / CARD_FILE: text.encode()})
    return replace(card, folder=folder)


def _read_beside(card: ModelCard, *, to: Path) -> bytes | None:
    """The file of the images that a card was trained on, where it has to go along to another folder."""
    if card.folder is None or card.folder.resolve() == to.resolve():
        return None
    try:
        return (card.folder / TRAINED_FILE).read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(f"{card.folder / TRAINED_FILE} cannot be read: {error}") from error


def find_weights(folder: Path) -> str:
    """The weights file that a checkpoint's card belongs to: an exported model's only where there is no other."""
    return ONNX_FILE if (folder / ONNX_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file() else WEIGHTS_FILE


def read_pair(folder: Path, *, weights_file: str, own_labels: bool = False) -> tuple[ModelCard, bytes]:
    """A card, read as by `read_card`, and the bytes of its weights, which belong together.

    Raises MissingCheckpoint, DamagedCheckpoint, OtherFormat or OtherLabels.
    """
    card = read_card(folder, own_labels=own_labels)
    try:
        weights = (folder / weights_file).read_bytes()
    except FileNotFoundError as error:
        raise MissingCheckpoint(f"no {weights_file} in {folder}") from error
    except OSError as error:
        raise DamagedCheckpoint(f"{folder / weights_file} cannot be read: {error}") from error
    if hash_checkpoint(card, weights=weights) != card.sha256:
        raise DamagedCheckpoint(f"the files in {folder} are damaged or do not belong together: their hash differs")
    return replace(card, answers_sha256=hash_answers(card, weights=weights)), weights
