"""Find labels that are probably wrong: python -m ml.find_noise --data PLACE [--model DIR] [--csv FILE] [--html FILE]

Confident learning (Northcutt, Jiang and Chuang 2021) on what a network says of images that it did not learn: by default
those that the checkpoint's recipe held out, or any other data set, named as for ml.evaluate. Images that it was trained
on are refused, unless --folds 5 fits the heads anew: each fifth is then judged by heads that learned from the other
four, on features of a trunk that has seen them all.
"""

import argparse
import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ml import file_names
from ml.commands import known_device, not_negative, say, told_errors, writable_file
from ml.datasets import face_set, held_out, sources
from ml.files import replace_file
from ml.measuring.alignment import align
from ml.measuring.grouping import NothingInCommon
from ml.measuring.noise import find_noise, refit_out_of_fold
from ml.measuring.predictions import FACES_AT_ONCE, Predictions, predict_faces
from ml.model.card import DEFAULT_DIR, ModelCard
from ml.model.runtime import Runtime, load_runtime
from ml.reporting import html, noise_page, numbers
from ml.spreadsheets import guard_cell

COLUMNS = ("attribute", "file", "label", "better", "probability_of_label", "probability_of_better")
PICTURES = 48
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 96, 80
LEAST_FACES = 50  # of an attribute, without which means say nothing

Suspect = dict[str, str | float]


def look_for_noise(
    predictions: Predictions, faces: face_set.FaceSet, *, pictures: int = PICTURES
) -> tuple[dict[str, noise_page.Found], list[Suspect]]:
    """By attribute what was found, with pictures of the worst, and all suspects as rows of COLUMNS.

    Raises BadData where no attribute can be looked at.
    """
    found: dict[str, noise_page.Found] = {}
    rows: list[Suspect] = []
    for attribute in (name for name in predictions.classes if name in faces.classes):
        try:
            told = align(predictions, faces, attribute=attribute)
        except NothingInCommon:
            continue
        if len(told.rows) < LEAST_FACES:
            continue
        names, noise = told.grouping.names, find_noise(told.vectors, told.actual)
        suspects = [
            {
                "attribute": attribute,
                "file": faces.files[told.rows[place]],
                "label": names[told.actual[place]],
                "better": names[noise.better[place]],
                "probability_of_label": round(float(told.vectors[place, told.actual[place]]), 4),
                "probability_of_better": round(float(told.vectors[place, noise.better[place]]), 4),
            }
            for place in noise.suspects.tolist()
        ]
        worst = told.rows[noise.suspects[:pictures]]
        drawn = [_draw(faces.images[row], said) for row, said in zip(worst, suspects, strict=False)]
        found[attribute] = noise_page.Found(tuple(names), len(told.rows), noise, drawn)
        rows += suspects
    if not found:
        raise face_set.BadData(f"no attribute of {predictions.name} is labelled on {LEAST_FACES} of these faces")
    return found, rows


def predict_out_of_fold(runtime: Runtime, faces: face_set.FaceSet, *, folds: int) -> Predictions:
    """What heads fitted to the other parts say of each part of the faces, in the data's own classes."""
    parts = [
        runtime.features(faces.images[start : start + FACES_AT_ONCE]) for start in range(0, len(faces), FACES_AT_ONCE)
    ]
    features = np.concatenate(parts)
    vectors = {}
    for attribute, classes in faces.classes.items():
        known = faces.targets[attribute] != face_set.UNKNOWN
        vectors[attribute] = np.full((len(faces), len(classes.names)), np.nan)
        if known.sum() >= LEAST_FACES:
            given = faces.targets[attribute][known]
            vectors[attribute][known] = refit_out_of_fold(features[known], given, count=len(classes.names), folds=folds)
    return Predictions(runtime.card.name, faces.files, vectors, dict(faces.classes))


def to_csv(rows: list[Suspect]) -> str:
    """The suspects, the worst of each attribute first; names as text that every output can hold."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"file": guard_cell(file_names.to_text(str(row["file"])))} for row in rows)
    return text.getvalue()


def _draw(chip: np.ndarray, said: Mapping[str, str | float]) -> html.Thumbnail:
    content = io.BytesIO()
    small = Image.fromarray(chip).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    small.save(content, "JPEG", quality=THUMBNAIL_QUALITY)
    file = file_names.to_line(str(said["file"]))
    lines = tuple(
        f"{words} {said[key]}, {numbers.percent(float(said[f'probability_of_{key}']), digits=0)}"
        for words, key in (("labelled", "label"), ("rather", "better"))
    )
    return html.Thumbnail(content.getvalue(), alt=f"the face in {file}", title=file, lines=lines)


def read_faces(args: argparse.Namespace, *, card: ModelCard) -> face_set.FaceSet:
    """What the options name, else what the checkpoint's recipe held out. Raises SharedImages without --folds."""
    if not sources.names_a_set(args):
        return held_out.read_held_out(card, place=args.data).slice(0, args.limit)
    faces = sources.read_source(sources.from_arguments(args), preset=card.preset)
    return faces if args.folds else held_out.leave_out_seen(faces, cards=[card], place=args.data)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.find_noise",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--folds", type=not_negative, default=0, metavar="N", help="fit the heads anew in N parts")
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu or cuda")
    parser.add_argument("--csv", type=writable_file, metavar="FILE", help="write the list")
    parser.add_argument("--html", type=writable_file, metavar="FILE", help="write a page with pictures")
    parser.add_argument("--pictures", type=not_negative, default=PICTURES, metavar="N", help="of each attribute")
    sources.add_arguments(parser)
    args = parser.parse_args(argv)
    if args.folds == 1:
        parser.error("--folds 1 leaves nothing to learn from: 0, or 2 and more")
    with told_errors(parser):
        runtime = load_runtime(args.model, device=args.device, own_labels=True)
        faces = read_faces(args, card=runtime.card)
        if args.folds:
            predictions = predict_out_of_fold(runtime, faces, folds=args.folds)
        else:
            predictions = predict_faces(runtime, faces)
        found, rows = look_for_noise(predictions, faces, pictures=args.pictures)
        how = f", heads fitted anew in {args.folds} parts" if args.folds else ""
        say(noise_page.summarise(found))
        if args.csv:
            replace_file(args.csv, to_csv(rows))
        if args.html:
            judge = f"{runtime.card.name} {runtime.card.sha256[:12]}{how}"
            replace_file(args.html, noise_page.write_page(found, judge=judge, source=args.data.name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
