"""Calibrate a checkpoint into a new one: python -m ml.calibrate --model DIR --data FOLDER --out DIR [--name NAME]"""

import argparse
from dataclasses import replace
from pathlib import Path

from ml import calibration, checkpoint, data, metrics
from ml.card import ModelCard
from ml.datasets import fairface
from ml.training.recipe import DEFAULT, DataRecipe, read_recipe
from ml.runtime import Runtime, TorchRuntime


def calibrate(card: ModelCard, *, runtime: Runtime, faces: data.FaceSet) -> ModelCard:
    """The card with temperatures and thresholds fitted on images that no training touched."""
    logits = runtime.logits(faces.images)
    temperatures = {name: calibration.fit_temperature(values, faces.targets[name]) for name, values in logits.items()}
    vectors = {name: metrics.softmax(values.astype("float64") / temperatures[name]) for name, values in logits.items()}
    before = {name: metrics.softmax(values.astype("float64")) for name, values in logits.items()}
    measured = {
        name: {
            "ece_before": round(metrics.calibration_error(before[name], faces.targets[name]), 4),
            "ece_after": round(metrics.calibration_error(vectors[name], faces.targets[name]), 4),
            "targets": calibration.TARGETS[name],
        }
        for name in logits
    }
    return replace(
        card,
        temperatures={name: round(value, 4) for name, value in temperatures.items()},
        thresholds=calibration.fit_thresholds(vectors, faces.targets),
        metrics={**card.metrics, "calibration": {"images": len(faces), **measured}},
    )


def held_out_faces(folder: Path, *, recipe: DataRecipe, size: int) -> data.FaceSet:
    """The images that the recipe holds out: the last ones of its last shard."""
    faces = fairface.read_fairface(folder, shards=recipe.shards[-1:], label_file=fairface.TRAIN_CSV, size=size)
    return faces.slice(len(faces) - recipe.held_out)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.calibrate", description="Fit temperatures and thresholds.")
    parser.add_argument("--model", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="folder of FairFace's zips and label files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the calibrated checkpoint")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="the recipe that says what was held out")
    parser.add_argument("--name", help="name of the new version (default: the old name)")
    args = parser.parse_args(argv)
    net, card = checkpoint.load(args.model)
    recipe = read_recipe(args.config).data
    if not recipe.held_out > 0:
        parser.error(f"{args.config} holds no images out")
    faces = held_out_faces(args.data, recipe=recipe, size=card.preset.size)
    card = replace(card, temperatures={}, thresholds={}, name=args.name or card.name)
    card = calibrate(card, runtime=TorchRuntime(net, card), faces=faces)
    card = checkpoint.save(args.out, net=net, card=card)
    for attribute, temperature in card.temperatures.items():
        print(f"{attribute}: temperature {temperature:.3f}, thresholds {card.thresholds[attribute]}")
    print(f"{card.name} {card.sha256[:12]} written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
