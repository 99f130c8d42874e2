"""A model card in Markdown: what a checkpoint is and is for, how well it does, and what it must not be used for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml import labels
from ml.measuring.comparison_tables import Comparison
from ml.measuring.tables import Evaluation
from ml.model.card import EVIDENCE_FILE, ModelCard
from ml.model.members import BOTH, Member
from ml.reporting import card_accuracy, card_cells, card_evidence, card_trust, evaluation_text, rendering
from ml.shares.evidence import Evidence

MODEL_CARD_FILE, DIAGRAM_FILE = "MODEL_CARD.md", "reliability.png"  # beside the checkpoint
ABOUT = "About this file"  # the last chapter, which says of what version the document is
_HASH = re.compile(r"`([0-9a-f]{64})`")

ARCHITECTURES = {
    "face_resnet29": "face ResNet-29",
    **{f"face_resnet29x{count}": f"{count} face ResNet-29s side by side" for count in range(2, 10)},
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    **{f"tf_efficientnet_lite{number}": f"EfficientNet-Lite{number}" for number in range(5)},
}
STARTS = {
    "random": "random weights",
    "imagenet": "torchvision's ImageNet weights",
    "efficientnet-lite0-57934424.pth": "EfficientNet-Lite0 trained on ImageNet (Apache-2.0)",
    "face_resnet29.safetensors": "dlib's face recognition ResNet (dlib-models, CC0), without its identity descriptor",
}
DATA_LICENCES = {
    "FairFace": "FairFace: Kärkkäinen and Joo, FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age, "
    "WACV 2021; CC BY 4.0",
    "UTKFace": "UTKFace: Zhang, Song and Qi, Age Progression/Regression by Conditional Adversarial Autoencoder, "
    "CVPR 2017; for non-commercial research only",
}


def write_card(
    card: ModelCard,
    *,
    report: Evaluation,
    others: Sequence[Evaluation] = (),
    comparison: Comparison | None = None,
    weights: int | None = None,
    diagram: str = "",
    evidence: Sequence[Evidence] = (),
    notes: Sequence[str] = (),
) -> str:
    """The whole document.

    `report` and `others` are what `ml.evaluate` wrote on the main data set and on further ones, `comparison` what
    `ml.compare` wrote; `weights` is how many numbers the network has, `diagram` the file of the reliability diagrams,
    `evidence` what the checkpoint carries of how it errs, `notes` what nothing measures, as sentences.
    """
    return rendering.render_markdown(
        "model_card.md",
        card=card,
        report=report,
        others=others,
        comparison=comparison,
        diagram=diagram,
        evidence=evidence,
        notes=notes,
        evidence_file=EVIDENCE_FILE,
        evidence_matrices=card_evidence.make_matrices(evidence),
        ways=card_evidence.WAYS,
        attributes=_join_words(card.labels),
        facts=_facts(card, weights=weights),
        recipe=_recipe_rows(card),
        by=labels.BY,
        many_faces=evaluation_text.MANY_FACES,
        accuracy=card_accuracy,
        cells=card_cells,
        trust=card_trust,
        about=ABOUT,
    )


def is_of(text: str, *, card: ModelCard) -> bool:
    """Whether a document of `write_card` tells of this checkpoint: of this very version, or of one that answers by
    the same numbers, as before something was recorded in its JSON. `card` is one whose weights were read.
    """
    told = _HASH.findall(text.rpartition(f"\n## {ABOUT}\n")[2])
    return text.startswith(f"# Model card: {card.name}\n") and not {card.sha256, card.answers_sha256}.isdisjoint(told)


def _facts(card: ModelCard, *, weights: int | None) -> list[tuple[str, str]]:
    count = "" if weights is None else f", {_round(weights)} weights"
    side = card.preset.size
    recipe = card.recipe
    kinds = " and ".join(ARCHITECTURES.get(arch, arch) for arch in card.arch.split("+"))
    joined = ", joined" if card.members else ""
    flips = "each member sees them as told below" if card.members else "the answer is the mean of both flips"
    rows = [
        ("Network", f"{kinds}{joined}{count}; one linear head per attribute"),
        (
            "Input",
            f"RGB, {side} x {side}, faces placed as in FairFace's chips with margin {card.preset.margin:g}; {flips}",
        ),
        *(("Member", _tell_member(member)) for member in card.members),
        ("Labels", "; ".join(f"{attribute}: {', '.join(names)}" for attribute, names in card.labels.items())),
    ]
    if recipe.get("start"):
        rows.append(("Start", STARTS.get(recipe["start"], str(recipe["start"]))))
    if recipe.get("teachers"):
        rows.append(("Teachers", f"{', '.join(recipe['teachers'])}: networks whose word on the same faces it learned"))
    rows.append(("Trained on", card.trained_on or "not told"))
    if trained := _tell_training(recipe):
        rows.append(("Training", trained))
    rows += [(f"{name}'s licence", licence) for name, licence in DATA_LICENCES.items() if name in card.trained_on]
    return [*rows, ("Licence", card.licence or "not told")]


def _tell_training(recipe: Mapping[str, Any]) -> str:
    if "joined" in recipe:  # what else it tells is of the data, which the members share
        return "each member by its own values below, then joined"
    told = [f"{recipe[key]} {what}" for key, what in (("epochs", "epochs"), ("images", "images")) if key in recipe]
    if "seed" in recipe:
        told.append(f"seed {recipe['seed']}")
    return ", ".join([*told, "all values below"]) if told else ""


def _tell_member(member: Member) -> str:
    """What it is, how much it counts, and what it costs."""
    views = "both flips, two passes a face" if member.views == BOTH else f"{member.views} alone, one pass a face"
    return (
        f"{member.name} {member.sha256[:12]}: {ARCHITECTURES.get(member.arch, member.arch)}, "
        f"{_round(member.parameters)} weights, chips of {member.preset.size} x {member.preset.size}, {views}; "
        f"{member.weight:.0%} of the mean of log-probabilities"
    )


def _recipe_rows(card: ModelCard) -> list[tuple[str, str]]:
    values = {name: value for name, value in card.recipe.items() if name not in ("name", "licence", "trained_on")}
    return [(key, _told(value)) for key, value in _flatten(values)]


def _flatten(values: Mapping[str, Any], *, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Values by dotted keys, as a recipe's options are called."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, prefix=f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
            for number, part in enumerate(value, start=1):
                yield from _flatten(part, prefix=f"{prefix}{key}.{number}.")
        else:
            yield f"{prefix}{key}", value


def _round(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count >= 1e5 else f"{count:,}"


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _join_words(attributes: Iterable[str]) -> str:
    words = [f"{name} group" if name == labels.BY else name for name in attributes]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
