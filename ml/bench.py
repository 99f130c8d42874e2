"""Measure speed: python -m ml.bench [PHOTOS_DIR] [--reference] [--device cuda] [--json FILE]

--reference runs the usual way (facenet-pytorch's MTCNN, then ResNet-34 face by face) in turn with Facet's on the same
photos, so that the ratio holds on a busy machine. --longest 1024 --count 200 scales photos and goes round them.
--growth asks instead how speed changes with faces a photo, with megapixels and with worker processes.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ml import files, photos
from ml.benching import growth, measuring, sample, ways
from ml.commands import known_device, positive, told_errors
from ml.detecting.detector import REFERENCE, FaceDetector
from ml.model.card import DEFAULT_DIR
from ml.model.precision import PRECISIONS
from ml.model.runtime import Runtime
from ml.pipeline import STAGES, FacePipeline
from ml.seeing.work import start_workers

PHOTOS_A_TURN = 32
# A GPU is fed by photos decoded ahead: a short turn would measure how it waits for the first ones.
PHOTOS_A_TURN_ON_GPU = 512
CHIPS = 256
PHOTOS_SIDE_BY_SIDE = 8


def measure(
    found: Sequence[photos.PhotoSource], *, pipeline: FacePipeline, reference: bool = False, chips: int = CHIPS
) -> dict[str, Any]:
    """The JSON-ready report on photos; with `reference` the same of the usual way, and the ratios of the two."""
    facet, ours, first = ways.FacetWay(pipeline), measuring.Tally(), measuring.Tally()
    theirs, alone = measuring.Tally(), measuring.Tally()
    at_once = PHOTOS_A_TURN_ON_GPU if pipeline.device == "cuda" else PHOTOS_A_TURN
    # What the first photos prepare is not measured, of either way alike. Only memory is: before the reference's
    # networks lie beside Facet's, and where Facet's do not lie beside the reference's.
    warming = found[:at_once]
    with first.turn() as seen:
        seen += facet.run(warming)
    usual = ways.UsualWay(device=pipeline.device) if reference else None
    if usual:
        detector, pool = FaceDetector(REFERENCE, device=pipeline.device), start_workers(torch.get_num_threads())
        usual.run(warming)
        theirs_peak_mb = measuring.read_peak_of_usual(warming, device=pipeline.device)
    with tqdm(total=len(found), desc="bench", unit="photo", disable=None) as bar:
        for start in range(0, len(found), at_once):
            part = found[start : start + at_once]
            with ours.turn() as seen:
                seen += facet.run(part)
            if usual:
                with theirs.turn() as seen:
                    seen += usual.run(part)
                detect_alone(part, detector=detector, pool=pool, tally=alone)
            bar.update(len(part))
    report = ours.report()
    if usual:
        report["peak_rss_mb"] = round(first.peak_rss_mb, 1)
        report["reference"] = theirs.report() | {"peak_rss_mb": round(theirs_peak_mb, 1)}
        report["ratio"] = round(theirs.seconds / ours.seconds, 2)
        report["cpu_ratio"] = round(theirs.cpu_seconds / ours.cpu_seconds, 2)
        report["detection"] = compare_detection(alone, theirs)
        if chips:
            report["classification"] = compare_classification(pipeline.runtime, usual, count=chips)
    return report


def describe(pipeline: FacePipeline) -> dict[str, Any]:
    """What was measured, as the report tells it."""
    return {
        "model": pipeline.card.name,
        "device": pipeline.device,
        "threads": torch.get_num_threads(),
        "precision": pipeline.runtime.precision,
    }


def detect_alone(
    part: Sequence[photos.PhotoSource],
    *,
    detector: FaceDetector,
    pool: ThreadPoolExecutor,
    tally: measuring.Tally,
) -> None:
    """Facet's detector at the reference's own settings on decoded photos, side by side as the pipeline has them."""
    for start in range(0, len(part), PHOTOS_SIDE_BY_SIDE):
        images = [_read(photo) for photo in part[start : start + PHOTOS_SIDE_BY_SIDE]]
        whole = [image for image in images if image]
        with tally.turn() as seen:
            if detector.together:
                found = iter(detector.detect(whole))
            else:
                found = iter(list(pool.map(lambda image: detector.detect([image])[0], whole)))
            for image in images:
                mine = next(found) if image else []
                boxes, sure = tuple(face.box for face in mine), tuple(face.probability for face in mine)
                seen.append(ways.Seen(dict.fromkeys(STAGES, 0.0), boxes, sure, failed=image is None))


def _read(photo: photos.PhotoSource) -> Image.Image | None:
    try:
        return photos.read_photo(photo)
    except photos.UnreadablePhoto:
        return None


def compare_detection(alone: measuring.Tally, theirs: measuring.Tally) -> dict[str, Any]:
    """Detection at the reference's settings: speed against its own detect stage, and whether the faces are the same."""
    took = sum(one.stages_ms["detect"] for one in theirs.seen) / 1000
    counts = [ways.count_differences(mine.boxes, other) for mine, other in zip(alone.seen, theirs.seen, strict=True)]
    sure, missed, others = (sum(column) for column in zip(*counts, strict=True))
    return {
        "photos_per_second": round(len(alone.seen) / alone.seconds, 3),
        "ratio": round(took / alone.seconds, 2),
        "reference_faces": sure,
        "missed": missed,
        "others": others,
    }


def compare_classification(runtime: Runtime, usual: ways.UsualWay, *, count: int) -> dict[str, float]:
    """Random chips through Facet's network in batches, and through ResNet-34 at 224 px one at a time."""
    rng, size = np.random.default_rng(1), runtime.card.preset.size
    chips = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    large = rng.integers(0, 256, (ways.USUAL_SIDE, ways.USUAL_SIDE, 3), dtype=np.uint8)
    runtime.logits(chips[:2])
    usual.classify(large)
    began = time.perf_counter()
    runtime.logits(chips)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(count):
        usual.classify(large)
    theirs = time.perf_counter() - began
    return {"chips": count, "chips_per_second": round(count / ours, 1), "ratio": round(theirs / ours, 2)}


def summarise(report: dict[str, Any]) -> str:
    """The report in lines for people."""
    lines = [
        f"{report['photos']} photos, {report['faces']} faces, {report['failed']} unreadable; {report['model']} on "
        f"{report['device']}, {report['threads']} threads, {report['precision']}",
        f"{'':12}{'photos/s':>10}{'faces/s':>10}{'CPU ms':>10}"
        + "".join(f"{stage:>18}" for stage in STAGES)
        + f"{'peak MB':>10}",
        _line("facet", report),
        "share of time: " + ", ".join(f"{stage} {share:.0%}" for stage, share in report["shares"].items()),
    ]
    if "reference" in report:
        lines.append(_line("reference", report["reference"]))
        found, ratios = (
            report["detection"],
            f"{report['ratio']} times the reference ({report['cpu_ratio']} in CPU time)",
        )
        lines.append(f"whole pipeline: {ratios}")
        lines.append(
            f"detection alone at its settings: {found['ratio']} times; of its {found['reference_faces']} sure faces "
            f"{found['missed']} missed, {found['others']} others"
        )
        if "classification" in report:
            told = report["classification"]
            lines.append(f"classification of {told['chips']} chips: {told['ratio']} times ResNet-34 one at a time")
    return "\n".join(lines)


def _line(name: str, report: dict[str, Any]) -> str:
    stages = "".join(
        f"{report['stages_ms'][stage]['median']:>10.1f} /{report['stages_ms'][stage]['p95']:6.1f}" for stage in STAGES
    )
    rates = (
        f"{report['photos_per_second']:>10.2f}{report['faces_per_second']:>10.2f}{report['cpu_ms_per_photo']:>10.1f}"
    )
    return f"{name:12}{rates}{stages}{report['peak_rss_mb']:>10.0f}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.bench", description="Measure how fast photos are decoded, searched for faces and classified."
    )
    parser.add_argument("photos", nargs="?", type=Path, metavar="PHOTOS_DIR", help="folder (default: generated photos)")
    parser.add_argument("--reference", action="store_true", help="also take the usual way, in turn, and compare")
    parser.add_argument("--growth", action="store_true", help="generated photos of many sizes, with few faces and many")
    parser.add_argument("--device", type=known_device, help="cpu or cuda (default: cuda if there is one)")
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of a checkpoint")
    parser.add_argument("--runtime", choices=("torch", "onnx"), help="what runs the network")
    parser.add_argument("--precision", choices=PRECISIONS, help="torch's, detector too (default: what suits it)")
    parser.add_argument("--threads", type=positive, metavar="N", help="cap torch's and the decoding threads")
    parser.add_argument(
        "--count", type=positive, metavar="N", help="use so many photos, going round if there are fewer"
    )
    parser.add_argument("--longest", type=positive, metavar="PX", help="scale photos to this longer side first")
    parser.add_argument(
        "--chips", type=int, default=CHIPS, metavar="N", help=f"chips to classify alone ({CHIPS}; 0: none)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures to a file")
    args = parser.parse_args(argv)
    if args.growth and (args.photos or args.reference or args.longest):
        parser.error("--growth makes its own photos and has no reference")
    load = partial(
        FacePipeline.load,
        args.model,
        device=args.device,
        threads=args.threads,
        runtime=args.runtime,
        precision=args.precision,
        own_labels=True,
    )
    with told_errors(parser):
        try:
            report = _measure_growth(load, args) if args.growth else _measure_photos(load, args)
        except sample.NoPhotos as error:
            parser.error(str(error))
        if args.json:
            files.replace_file(args.json, json.dumps(report, indent=2) + "\n")
    return 0


def _measure_photos(load: Callable[..., FacePipeline], args: argparse.Namespace) -> dict[str, Any]:
    found = sample.gather_photos(args.photos, count=args.count, longest=args.longest)
    pipeline = load()
    report = describe(pipeline) | measure(found, pipeline=pipeline, reference=args.reference, chips=args.chips)
    print(summarise(report))
    return report


def _measure_growth(load: Callable[..., FacePipeline], args: argparse.Namespace) -> dict[str, Any]:
    pipeline, rows = load(), []
    print(growth.HEADER)
    for row in growth.measure(pipeline, load=load, count=args.count or growth.COUNT):
        print(growth.tell(row), flush=True)
        rows.append(asdict(row))
    return describe(pipeline) | {"growth": rows}


if __name__ == "__main__":
    raise SystemExit(main())
