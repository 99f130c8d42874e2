"""Write a model card: python -m ml.write_card --model DIR --report evaluate.json [--also utkface.json] [--out FOLDER]

Everything in MODEL_CARD.md, and the reliability diagrams beside it, comes from the checkpoint and from what ml.evaluate
and ml.compare measured (--json), so that no number is copied by hand; --note adds what nobody measures.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from ml import measured
from ml.commands import say, told_errors
from ml.datasets import face_set
from ml.files import replace_file
from ml.measuring import stored, stored_comparison, tables
from ml.measuring.comparison_tables import Comparison, Side
from ml.model import evidence
from ml.model.card import DEFAULT_DIR, ONNX_FILE, WEIGHTS_FILE, DamagedCheckpoint, ModelCard, read_pair
from ml.reporting import figures, model_card
from ml.reporting.model_card import DIAGRAM_FILE, MODEL_CARD_FILE
from ml.shares.evidence import Evidence

DIAGRAM_DOTS_PER_INCH = 96  # a small file, as it lies beside the weights


def read_report(path: Path, *, card: ModelCard) -> tables.Evaluation:
    """What ml.evaluate wrote of this checkpoint. Raises BadData for anything else, and OSError.

    SharedImages for measures on images that it was trained on.
    """
    try:
        found = stored.read_evaluation(_read_json(path))
    except stored.Unreadable as error:
        raise face_set.BadData(f"{path} {error}") from error
    if found.data.seen:
        raise face_set.SharedImages(f"{path}: {found.name} was trained on these images, so they measure nothing")
    if not _is_of(found, card=card):
        raise face_set.BadData(
            f"{path} measures {found.name} {found.sha256[:12] or '(a CSV)'}, not {card.name} "
            f"{card.sha256[:12]}: evaluate this checkpoint"
        )
    return found


def read_comparison(path: Path, *, card: ModelCard) -> Comparison:
    """What ml.compare wrote with this model on one side. Raises BadData for anything else, and OSError."""
    try:
        found = stored_comparison.read_comparison(_read_json(path))
    except stored.Unreadable as error:
        raise face_set.BadData(f"{path} {error}") from error
    if not any(_is_of(side, card=card) for side in found.sides.values()):
        told = [f"{of.name} {of.sha256[:12]}" if of.name == card.name else of.name for of in found.sides.values()]
        raise face_set.BadData(f"{path} compares {told[0]} with {told[1]}, not {card.name} {card.sha256[:12]}")
    return found


def draw_reliability(report: tables.Evaluation) -> bytes | None:
    """A panel for each attribute whose probabilities are told, as PNG; None without any."""
    bins = {name: of.confidence.reliability for name, of in report.measures.attributes.items() if of.confidence}
    if not bins:
        return None
    return figures.as_png(figures.reliabilities(bins), dots_per_inch=DIAGRAM_DOTS_PER_INCH)


def read_ways(folder: Path, *, card: ModelCard) -> list[Evidence]:
    """What the checkpoint carries of how it errs, chips before photos; nothing of one from before it did."""
    if not card.evidence:
        return []
    return [evidence.read_evidence(folder, card=card, way=way) for way in sorted(card.evidence["faces"])]


def count_weights(weights: bytes) -> int:
    """How many numbers a safetensors file holds. Raises DamagedCheckpoint."""
    try:
        return sum(tensor.numel() for tensor in load_tensors(weights).values())
    except SafetensorError as error:
        raise DamagedCheckpoint(str(error)) from error


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.write_card", description="Write MODEL_CARD.md from a checkpoint and its measures."
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="what ml.evaluate --json wrote")
    parser.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the same on another data set; repeatable",
    )
    parser.add_argument("--compare", type=Path, metavar="FILE", help="what ml.compare --json wrote")
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        metavar="SENTENCE",
        help="what nothing measures, as how often these images were looked at; repeatable",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write (default: beside the checkpoint)")
    args = parser.parse_args(argv)
    with told_errors(parser):
        weights_file = WEIGHTS_FILE if (args.model / WEIGHTS_FILE).is_file() else ONNX_FILE
        card, weights = read_pair(args.model, weights_file=weights_file, own_labels=True)
        report = read_report(args.report, card=card)
        others = [read_report(path, card=card) for path in args.also]
        diagram = draw_reliability(report)
        text = model_card.write_card(
            card,
            report=report,
            others=others,
            comparison=read_comparison(args.compare, card=card) if args.compare else None,
            weights=count_weights(weights) if weights_file == WEIGHTS_FILE else None,
            diagram=DIAGRAM_FILE if diagram else "",
            evidence=read_ways(args.model, card=card),
            notes=args.note,
        )
        folder = args.out or args.model
        if diagram:
            replace_file(folder / DIAGRAM_FILE, diagram)
        replace_file(folder / MODEL_CARD_FILE, text)
    say(f"{folder / MODEL_CARD_FILE} written for {card.name} {card.sha256[:12]}")
    return 0


def _is_of(report: tables.Evaluation | Side, *, card: ModelCard) -> bool:
    """Whether a report is of this checkpoint, or of it before something was recorded in its card."""
    return report.name == card.name and measured.is_same(
        version=card.sha256,
        answers=card.answers_sha256,
        of_version=report.sha256,
        of_answers=report.answers_sha256,
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise face_set.BadData(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise face_set.BadData(f"{path} is no report")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
