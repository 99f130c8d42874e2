"""Calibrate a checkpoint into a new version: python -m ml.calibrate --model DIR --data FOLDER --out DIR

Fits a temperature for each attribute, and for each grouping and label the probability under which the model is
"unsure", so that the precision of the rest reaches a target: --target race:fairface-7=0.8 --target gender=0.97. A label
that does not reach it on 50 faces, with its one-sided 90 % bound (Clopper and Pearson) at most 5 points lower, is never
sure, nor is what is less likely than not. Then sets of labels that hold the right one for 90 % of the faces of each
label, and how an ordinal attribute is read as a number. All of it on the faces as chips and found again in photos, and
judged by cross-fitting.

FOLDER is where the training set lies, of which the images are taken that the checkpoint's recipe held out; or any other
data set, named as for ml.evaluate (--shard, --labels, --reader, --list). Coarse labels calibrate the groupings they can
tell.

The weights stay, and with new numbers beside them the checkpoint is another version: it needs a folder of its own, and
is called NAME-calibrated unless --name says otherwise (give the old name to keep it).

The same images show how the model errs: its answers for them in both ways are kept beside the weights, for ml.report
to correct shares by. --evidence-only adds them to a checkpoint as it is, in place, which stays the same version:
--model DIR --data FOLDER --evidence-only.
"""

import argparse
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ml import measured
from ml.commands import known_device, say, told_errors, writable_folder
from ml.datasets import face_set, fairface, held_out, sources, splits
from ml.detecting.detector import FaceDetector
from ml.errors import BadRecipe, DataWarning
from ml.measuring import calibration_fit, cross_fit, fit_words, held_out_answers
from ml.measuring.asking import Asked, ask_both_ways
from ml.measuring.predictions import FACES_AT_ONCE
from ml.model import evidence
from ml.model.card import CARD_FILE, ModelCard, find_weights, read_pair, write_pair
from ml.model.runtime import Runtime, load_runtime

DATA_NAMES = {"fairface": "FairFace", "utkface": "UTKFace"}

Targets = dict[str, dict[str, float]]  # attribute -> grouping -> precision of a sure label, 0..1


def calibrate(
    card: ModelCard, *, asked: Sequence[Asked], targets: Targets | None = None
) -> tuple[ModelCard, dict[str, calibration_fit.Fit]]:
    """The card with all that was fitted on images that no training touched, as far as is known, and what was fitted.

    `asked` are the same faces in each way, chips first. `targets` are the precisions wanted, over
    `temperature_scaling.TARGETS`. An attribute that cannot be fitted keeps what it had, with a DataWarning. Raises
    BadData where nothing can be fitted.
    """
    faces = asked[0].faces
    fits, told = {}, {}
    for attribute in asked[0].logits:
        grouping = calibration_fit.find_labelled_groups(card, faces, attribute=attribute)
        if grouping is not None:
            wanted = (targets or {}).get(attribute, {})
            how: Any = {"attribute": attribute, "grouping": grouping, "targets": wanted}
            fits[attribute] = calibration_fit.fit_attribute(card, asked, **how)
            told[attribute] = fit_words.describe_fit(fits[attribute])
            told[attribute]["cross_fitted"] = cross_fit.cross_fit(card, asked, **how)
    if not fits:
        raise face_set.BadData(f"nothing of {card.name} can be calibrated on these {len(faces)} images")
    numbers = {name: rule for name, rule in card.numbers.items() if name not in fits}
    return (
        replace(
            card,
            temperatures=card.temperatures | {name: round(fit.temperatures[1], 4) for name, fit in fits.items()},
            thresholds={
                **card.thresholds,
                **{name: {key: found.value for key, found in fit.thresholds.items()} for name, fit in fits.items()},
            },
            sets={**card.sets, **{name: fit.sets for name, fit in fits.items()}},
            numbers=numbers | {name: fit.number for name, fit in fits.items() if fit.number},
            metrics=card.metrics
            | {
                "calibration": {
                    measured.OF: measured.THIS,
                    "images": len(faces),
                    "data_sha256": faces.data_hash(),
                    **({"untouched": faces.untouched} if faces.untouched else {}),
                    "calibrated_from": card.sha256,
                    **told,
                }
            },
        ),
        fits,
    )


def read_logits(runtime: Runtime, faces: face_set.FaceSet) -> dict[str, np.ndarray]:
    """Logits (N, K) per attribute."""
    parts = []
    with tqdm(total=len(faces), desc="calibrate", unit="face", disable=None) as progress:
        for start in range(0, len(faces), FACES_AT_ONCE):
            parts.append(runtime.logits(faces.images[start : start + FACES_AT_ONCE]))
            progress.update(min(FACES_AT_ONCE, len(faces) - start))
    return {name: np.concatenate([part[name] for part in parts]) for name in runtime.card.labels}


def ask_runtime(runtime: Runtime, args: argparse.Namespace) -> list[Asked]:
    """The answers for the faces that the options name, in both ways. Raises EmptySet for none."""
    faces = read_faces(args, card=runtime.card)
    splits.check_set(faces, name="calibration")
    return ask_both_ways(
        runtime.card,
        ask=lambda part: read_logits(runtime, part),
        chips=faces,
        large=read_faces(args, card=enlarge(runtime.card)),
        detector=FaceDetector(device=str(runtime.device)),
    )


def pack_evidence(card: ModelCard, *, asked: Sequence[Asked], name: str) -> tuple[ModelCard, bytes | None]:
    """The card that tells of how the model errs on these faces, and the file that holds it.

    None, with a DataWarning, where the faces are not labelled in the model's own classes. `name` is what their data set
    is called.
    """
    try:
        ways = [held_out_answers.pack_answers(card, asked=of, name=name) for of in asked]
    except face_set.BadData as error:
        warnings.warn(f"no evidence of errors is kept: {error}", DataWarning, stacklevel=2)
        return replace(card, evidence={}), None
    faces = asked[0].faces
    return evidence.attach(card, ways=ways, data_sha256=faces.data_hash(), untouched=faces.untouched)


def name_data(card: ModelCard, args: argparse.Namespace) -> str:
    """What the data set is called in "if the model errs here as on ..."."""
    reader = args.reader if sources.names_a_set(args) else card.recipe["data"].get("reader", "fairface")
    return DATA_NAMES.get(str(reader), Path(args.data).name)


def add_evidence(folder: Path, *, args: argparse.Namespace, device: str) -> ModelCard:
    """Write evidence beside a checkpoint that stays as it is: the same answers, the same version."""
    runtime = load_runtime(folder, device=device, own_labels=True)
    card = runtime.card
    card, content = pack_evidence(card, asked=ask_runtime(runtime, args), name=name_data(card, args))
    if content is None:
        raise face_set.BadData(f"{card.name} is left as it was")
    weights_file = find_weights(folder)
    _, weights = read_pair(folder, weights_file=weights_file, own_labels=True)
    return write_pair(folder, card=card, weights=weights, weights_file=weights_file, evidence=content)


def enlarge(card: ModelCard) -> ModelCard:
    """The card as if its network saw faces as large as FairFace's images are."""
    return replace(card, preset=replace(card.preset, size=fairface.SIDE))


def read_targets(texts: Sequence[str], *, card: ModelCard) -> Targets:
    """Accuracies by attribute and grouping from `race:fairface-7=0.8` or `gender=0.97`. Raises BadRecipe."""
    found: Targets = {}
    for text in texts:
        name, _, number = text.partition("=")
        attribute, _, grouping = name.strip().partition(":")
        if attribute not in card.labels:
            raise BadRecipe(f"--target {text}: {card.name} has no {attribute!r}, only {', '.join(card.labels)}")
        known = calibration_fit.groupings_of(card, attribute)
        if (grouping := grouping or known[0]) not in known:
            raise BadRecipe(f"--target {text}: {attribute} has no {grouping!r}, only {', '.join(known)}")
        try:
            target = float(number)
        except ValueError:
            target = 0.0
        if not 0 < target <= 1:
            raise BadRecipe(f"--target {text}: write an accuracy over 0 and up to 1 after the =")
        found.setdefault(attribute, {})[grouping] = target
    return found


def tell_evidence(card: ModelCard) -> str:
    """As "2,500 chips, 2,431 photos of FairFace"."""
    counts = ", ".join(f"{count:,} {way}" for way, count in card.evidence["faces"].items())
    return f"{counts} of {card.evidence['data']}"


def next_name(name: str) -> str:
    """facet-1, facet-1-calibrated, facet-1-calibrated-2, ..."""
    again = re.fullmatch(r"(.*-calibrated)(?:-(\d+))?", name)
    return f"{again[1]}-{int(again[2] or 1) + 1}" if again else f"{name}-calibrated"


def read_faces(args: argparse.Namespace, *, card: ModelCard) -> face_set.FaceSet:
    """The data set that the options name, else what the checkpoint's recipe held out."""
    if sources.names_a_set(args):
        faces = sources.read_source(sources.from_arguments(args), preset=card.preset)
        faces = held_out.leave_out_taught(faces, cards=[card])
        return held_out.leave_out_seen(faces, cards=[card], place=args.data, seen=args.seen)
    return held_out.read_held_out(card, place=args.data).slice(0, args.limit)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.calibrate",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--out", type=writable_folder, metavar="DIR", help="new folder for the calibrated version")
    parser.add_argument("--evidence-only", action="store_true", help="keep the version; add how it errs to its folder")
    parser.add_argument("--no-evidence", action="store_true", help="a step on the way to another version: no evidence")
    parser.add_argument("--name", help="its name (default: the old one with -calibrated)")
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="ATTRIBUTE:GROUPING=ACCURACY",
        help="precision wanted of each label that is not unsure; may be repeated",
    )
    parser.add_argument("--device", type=known_device, help="cpu or cuda (default: cuda if there is one)")
    sources.add_arguments(parser)
    held_out.add_argument(parser, choices=(held_out.STOP, held_out.LEAVE_OUT))
    args = parser.parse_args(argv)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if args.evidence_only:
        if args.out or args.name or args.target or args.no_evidence:
            parser.error(
                "--evidence-only changes no version: --out, --name, --target and --no-evidence mean nothing with it"
            )
        with told_errors(parser):
            card = add_evidence(args.model, args=args, device=device)
        say(f"{card.name} {card.sha256[:12]} now carries how it errs: {tell_evidence(card)}")
        return 0
    if args.out is None:
        parser.error("the following arguments are required: --out")
    args.out = args.out.resolve()
    if (args.out / CARD_FILE).exists():
        same = args.out == args.model.resolve()
        parser.error(
            f"--out {args.out} {'is the checkpoint itself' if same else 'holds a checkpoint'}: name a new folder"
        )
    with told_errors(parser):
        runtime = load_runtime(args.model, device=device, own_labels=True)
        targets = read_targets(args.target, card=runtime.card)
        asked = ask_runtime(runtime, args)
        card, fits = calibrate(runtime.card, asked=asked, targets=targets)
        card = replace(card, name=args.name or next_name(card.name))
        card, content = replace(card, evidence={}), None
        if not args.no_evidence:
            card, content = pack_evidence(card, asked=asked, name=name_data(card, args))
        weights_file = find_weights(args.model)
        _, weights = read_pair(args.model, weights_file=weights_file, own_labels=True)
        card = write_pair(args.out, card=card, weights=weights, weights_file=weights_file, evidence=content)
        print(fit_words.tell_fits(fits))
        say(f"{card.name} {card.sha256[:12]} written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
