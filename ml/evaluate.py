"""Measure a checkpoint: python -m ml.evaluate --data DIR [--model DIR] [--whole-way] [--utkface DIR] [--json FILE]"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from tqdm import tqdm

from ml import calibration, checkpoint, data, labels, metrics
from ml.card import DEFAULT_DIR, ModelCard
from ml.datasets import fairface, utkface
from ml.faces import FaceDetector
from ml.preprocess import cut_chip
from ml.runtime import TorchRuntime

SUREST_SHARE = 0.8
CANVAS_SIDES, TURN_DEGREES = 2.0, 15.0  # the whole way: a chip on a grey canvas of twice its side, turned by up to this


def describe(vectors: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> dict[str, Any]:
    """All measures of calibrated vectors (N, K) against fine labels (N,), shares in 0..1."""
    race = targets["race"]
    report: dict[str, Any] = {"images": len(race)}
    for attribute, values in vectors.items():
        predicted, actual = values.argmax(axis=1), targets[attribute]
        per_group = metrics.by_group(predicted, actual, groups=race, count=len(labels.RACE))
        report[attribute] = {
            "accuracy": _share(metrics.accuracy(predicted, actual)),
            "by_race": {name: _share(value) for name, value in zip(labels.RACE, per_group, strict=True)},
            "ece": _share(metrics.calibration_error(values, actual)),
            "accuracy_of_surest_80_percent": _share(metrics.accuracy_of_surest(values, actual, share=SUREST_SHARE)),
        }
    if "age" in vectors:
        predicted = vectors["age"].argmax(axis=1)
        report["age"]["within_one_bin"] = _share(metrics.within_one(predicted, targets["age"]))
        recall = metrics.by_group(predicted, targets["age"], groups=targets["age"], count=len(labels.AGE))
        report["age"]["by_age"] = {name: _share(value) for name, value in zip(labels.AGE, recall, strict=True)}
    if "race" in vectors:
        counts = metrics.confusion(vectors["race"].argmax(axis=1), race, count=len(labels.RACE))
        report["race"]["confusion"] = counts.tolist()
        report["race"]["by_taxonomy"] = {
            taxonomy: _taxonomy_accuracy(vectors["race"], race, taxonomy=taxonomy) for taxonomy in labels.TAXONOMIES
        }
    if "gender" in vectors:
        report["gender"]["gap_by_race"] = _gender_gap(vectors["gender"].argmax(axis=1), targets)
    return report


def describe_utkface(vectors: dict[str, np.ndarray], faces: data.FaceSet) -> dict[str, Any]:
    """Measures of calibrated fine vectors against UTKFace's labels; "Others" counts in utkface-5 only."""
    report: dict[str, Any] = {"images": len(faces)}
    race, years = faces.targets["race"], cast(np.ndarray, faces.years)
    report["utkface-5"] = _share(metrics.accuracy(_grouped(vectors["race"], "utkface-5").argmax(axis=1), race))
    four = race < len(labels.TAXONOMIES["utkface-4"])
    predicted, actual = _grouped(vectors["race"][four], "utkface-4").argmax(axis=1), race[four]
    recall = metrics.by_group(predicted, actual, groups=actual, count=4)
    report["utkface-4"] = {
        "images": int(four.sum()),
        "accuracy": _share(metrics.accuracy(predicted, actual)),
        "by_race": {name: _share(value) for name, value in zip(labels.TAXONOMIES["utkface-4"], recall, strict=True)},
    }
    report["gender"] = _share(metrics.accuracy(vectors["gender"].argmax(axis=1), faces.targets["gender"]))
    bins = faces.targets["age"]
    report["age"] = {
        "accuracy": _share(metrics.accuracy(vectors["age"].argmax(axis=1), bins)),
        "within_one_bin": _share(metrics.within_one(vectors["age"].argmax(axis=1), bins)),
        "mean_absolute_error_years": round(
            float(np.mean(np.abs(vectors["age"] @ np.array(labels.AGE_CENTRES) - years))), 2
        ),
    }
    return report


def _grouped(vectors: np.ndarray, taxonomy: str) -> np.ndarray:
    return np.array([labels.aggregate(vector, taxonomy=taxonomy) for vector in vectors.tolist()])


def describe_sure(
    vectors: dict[str, np.ndarray], targets: dict[str, np.ndarray], *, thresholds: dict[str, dict[str, float]]
) -> dict[str, dict[str, Any]]:
    """Per attribute and taxonomy: the share that is not "unsure", and the accuracy among it."""
    found: dict[str, dict[str, Any]] = {}
    for attribute, by_taxonomy in thresholds.items():
        for taxonomy, threshold in by_taxonomy.items():
            grouped, actual = calibration.regroup(
                vectors[attribute], targets[attribute], attribute=attribute, taxonomy=taxonomy
            )
            sure = grouped.max(axis=1) >= threshold
            right = metrics.accuracy(grouped[sure].argmax(axis=1), actual[sure])
            found.setdefault(attribute, {})[taxonomy] = {
                "threshold": threshold,
                "sure": _share(sure.mean()),
                "accuracy_of_sure": _share(right),
            }
    return found


def whole_way(
    faces: data.FaceSet, *, runtime: TorchRuntime, detector: FaceDetector, seed: int = 1
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Chips laid on a larger grey canvas and turned, found and cut again: vectors, and which were found (N,)."""
    rng = np.random.default_rng(seed)
    size, cut, found = runtime.card.preset.size, [], np.zeros(len(faces), dtype=bool)
    for index, pixels in enumerate(tqdm(faces.images, desc="whole way", unit="img", disable=None)):
        canvas = lay_on_canvas(Image.fromarray(pixels), angle=float(rng.uniform(-TURN_DEGREES, TURN_DEGREES)))
        detected = detector.detect([canvas])[0]
        if detected:
            # A chip can hold a second face in its background: the one that it was cut for lies in the middle.
            middle = min(detected, key=lambda face: math.dist((face.chip.cx, face.chip.cy), np.array(canvas.size) / 2))
            cut.append(np.asarray(cut_chip(canvas, middle.chip, size=size)))
            found[index] = True
    return runtime.probabilities(np.stack(cut)), found


def lay_on_canvas(chip: Image.Image, *, angle: float) -> Image.Image:
    """A square chip in the middle of a grey canvas, turned clockwise by `angle` degrees."""
    side = round(max(chip.size) * CANVAS_SIDES)
    canvas = Image.new("RGB", (side, side), (127, 127, 127))
    canvas.paste(chip, ((side - chip.width) // 2, (side - chip.height) // 2))
    return canvas.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=(127, 127, 127))


def _taxonomy_accuracy(vectors: np.ndarray, actual: np.ndarray, *, taxonomy: str) -> float | None:
    grouped, kept = calibration.regroup(vectors, actual, attribute="race", taxonomy=taxonomy)
    return _share(metrics.accuracy(grouped.argmax(axis=1), kept))


def _gender_gap(predicted: np.ndarray, targets: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    """Recall of men and of women in each race group, and the difference, men minus women."""
    gaps = {}
    for number, name in enumerate(labels.RACE):
        here = targets["race"] == number
        male, female = metrics.by_group(
            predicted[here], targets["gender"][here], groups=targets["gender"][here], count=2
        )
        gaps[name] = {"Male": _share(male), "Female": _share(female), "gap": _share(male - female)}
    return gaps


def _share(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def summarise(report: dict[str, Any]) -> str:
    """The report in a few lines for people."""
    lines = [f"{report['images']} images"]
    for attribute in labels.ATTRIBUTES:
        if attribute in report:
            part = report[attribute]
            worst = min((value, name) for name, value in part["by_race"].items() if value is not None)
            lines.append(
                f"{attribute:6} {part['accuracy']:.1%}, lowest for {worst[1]} {worst[0]:.1%}, "
                f"surest 80 % {part['accuracy_of_surest_80_percent']:.1%}, ECE {part['ece']:.3f}"
            )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.evaluate", description="Measure a checkpoint on FairFace.")
    parser.add_argument("--data", type=Path, required=True, help="folder of FairFace's zips and label files")
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, help="folder of the checkpoint")
    parser.add_argument("--shard", default="val.zip", help="zip to measure on")
    parser.add_argument("--labels", default=fairface.VAL_CSV, help="its label file")
    parser.add_argument("--limit", type=int, help="use only so many images")
    parser.add_argument(
        "--whole-way", action="store_true", help="also through the detector, on turned chips on a canvas"
    )
    parser.add_argument("--utkface", type=Path, metavar="FOLDER", help="also on UTKFace's zips in this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measures to a file")
    parser.add_argument("--record", action="store_true", help="write the measures into the checkpoint's card")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)
    runtime = TorchRuntime.load(args.model, device=args.device)
    size = runtime.card.preset.size
    read = {"shards": [args.shard], "label_file": args.labels, "limit": args.limit}
    faces = fairface.read_fairface(args.data, size=size, **read)
    vectors = runtime.probabilities(faces.images)
    measures: dict[str, Any] = describe(vectors, faces.targets)
    measures["sure"] = describe_sure(vectors, faces.targets, thresholds=runtime.card.thresholds)
    report = {f"fairface_{Path(args.shard).stem}": measures}
    print(summarise(measures))
    if args.whole_way:
        report["whole_way"] = measure_whole_way(
            fairface.read_fairface(args.data, size=fairface.SIDE, **read), vectors=vectors, runtime=runtime
        )
        print("whole way:", summarise(report["whole_way"]["found_again"]), sep="\n")
    if args.utkface:
        shards = sorted(path.name for path in args.utkface.glob("utkface-*.zip"))
        foreign = utkface.read_utkface(args.utkface, shards=shards, size=size, skip_unknown=True)
        report["utkface"] = describe_utkface(runtime.probabilities(foreign.images), foreign)
        print("UTKFace:", json.dumps(report["utkface"]))
    if args.json:
        of = {"model": runtime.card.name, "sha256": runtime.card.sha256}
        args.json.write_text(json.dumps({**of, **report}, indent=2) + "\n", encoding="utf-8")
    if args.record:
        card = record(args.model, report=report)
        print(f"recorded in {args.model}: {card.name} is now {card.sha256[:12]}")
    return 0


def record(folder: Path, *, report: dict[str, Any]) -> ModelCard:
    """Write measures into a checkpoint's card; the weights stay, the hash is a new one."""
    net, card = checkpoint.load(folder)
    return checkpoint.save(folder, net=net, card=replace(card, metrics={**card.metrics, **report}))


def measure_whole_way(faces: data.FaceSet, *, vectors: dict[str, np.ndarray], runtime: TorchRuntime) -> dict[str, Any]:
    """The measures after detection, and those of the same images' chips (their `vectors` (N, K)) beside them."""
    detector = FaceDetector(device=runtime.device)
    again, found = whole_way(faces, runtime=runtime, detector=detector)
    targets = {name: values[found] for name, values in faces.targets.items()}
    return {
        "images": len(faces),
        "found": _share(found.mean()),
        "found_again": describe(again, targets),
        "same_chips": describe({name: values[found] for name, values in vectors.items()}, targets),
    }


if __name__ == "__main__":
    raise SystemExit(main())
