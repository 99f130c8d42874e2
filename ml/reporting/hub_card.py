"""What the Hugging Face hub shows of a model: the metadata above its README, and config.json beside its weights."""

import json
from collections.abc import Mapping
from typing import Any

from ml.measured import choose_current
from ml.model.card import ModelCard
from ml.model.members import member_values, preset_values

PIPELINE = "image-classification"
OTHER = "other"  # the hub's word for a licence that is none of its list


def write_readme(card: ModelCard, *, body: str, licence: str) -> str:
    """README.md: YAML metadata as the hub reads it, then the card in Markdown.

    `licence` is one of the hub's identifiers, or OTHER, which sends readers to LICENSE.
    """
    values: dict[str, Any] = {"license": licence}
    if licence == OTHER:
        values |= {"license_name": "see-license", "license_link": "LICENSE"}
    values |= {"library_name": "facet", "pipeline_tag": PIPELINE, "tags": ["facet", "face-attributes", card.arch]}
    if results := _results(card):
        values["model-index"] = [{"name": card.name, "results": results}]
    # JSON is YAML: no value needs quoting rules of our own.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(["---", *lines, "---", "", body.strip(), "", _use(card), ""])


def write_config(card: ModelCard) -> str:
    """config.json: what tools that do not know Facet look for. Facet itself reads model.json."""
    values = {
        "model_type": "facet",
        "architectures": [card.arch],
        "labels": {name: list(of) for name, of in card.labels.items()},
        "image_size": card.preset.size,
        "preprocessing": preset_values(card.preset),
        "temperatures": card.temperatures,
        **({"members": [member_values(member) for member in card.members]} if card.members else {}),
        "version": card.sha256,
    }
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _results(card: ModelCard) -> list[dict[str, Any]]:
    """The accuracies that the checkpoint's own card records, data set by data set and attribute by attribute."""
    results = []
    current, _ = choose_current(card.metrics, answers=card.answers_sha256)
    for data, measured in current.items():
        if not isinstance(measured, Mapping):
            continue
        for attribute in card.labels:
            of = measured.get(attribute)
            accuracy = of.get("accuracy") if isinstance(of, Mapping) else None
            if not isinstance(accuracy, float):
                continue
            results.append(
                {
                    "task": {"type": PIPELINE, "name": f"perceived {attribute}"},
                    "dataset": {"type": data, "name": data},
                    "metrics": [{"type": "accuracy", "value": accuracy}],
                }
            )
    return results


def _use(card: ModelCard) -> str:
    return (
        "## Using it\n\n"
        "This folder is a checkpoint of Facet: `python -m ml.predict photo.jpg --model FOLDER` asks it, and a site\n"
        "runs it with `FACET_MODEL_DIR=FOLDER`. Its version is\n"
        f"`{card.sha256}`; files that do not belong to it are refused."
    )
