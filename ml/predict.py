"""Classify faces: python -m ml.predict PATH... [--csv FILE] [--json] [--report FILE] [--aligned] [--model DIR]

--report writes who is pictured in all of these photos together, as a page, JSON or CSV by the file's name.
"""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tqdm import tqdm

from ml import heic, labels
from ml.commands import show, told_errors, writable_file
from ml.datasets.face_set import EmptySet
from ml.files import replace_file
from ml.model.card import DEFAULT_DIR, read_card
from ml.reporting import survey_files
from ml.spreadsheets import guard_cell
from ml.surveying import computing, knowing, reading

if TYPE_CHECKING:
    from ml.pipeline import FacePipeline, PhotoResult

PHOTOS_AT_ONCE = 32

Cell = str | int | float | None


@dataclass(frozen=True)
class Options:
    paths: tuple[Path, ...]
    csv_file: Path | None
    as_json: bool
    aligned: bool
    model_dir: Path
    runtime: str | None
    report_file: Path | None = None


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    options = parse_options(parser, argv)
    with told_errors(parser):
        rows = predict(options)
        if options.csv_file:
            replace_file(options.csv_file, to_csv(rows))
            print(f"{len(rows)} rows written to {options.csv_file}", file=sys.stderr)
        if options.report_file:
            write_report(rows, report_file=options.report_file, options=options)
            print(f"report written to {options.report_file}", file=sys.stderr)
    if options.as_json:
        show(json.dumps(rows, indent=1, ensure_ascii=False))
    elif not options.csv_file and not options.report_file:
        show(to_table(rows))
    return 0


def predict(options: Options) -> list[dict[str, Cell]]:
    """The rows of all photos, in their order. Raises EmptySet where there is no photo, and CheckpointError."""
    files = list(find_photos(options.paths))
    if not files:
        raise EmptySet(f"there is no photo in {', '.join(map(str, options.paths))}")
    from ml.pipeline import FacePipeline  # loads torch: not before the arguments are known to be good

    missing = [] if heic.IS_READ else [file for file in files if file.suffix.lower() in heic.SUFFIXES]
    if missing:
        told = f"{len(missing)} HEIC photos cannot be read: pillow-heif, Facet's extra “heif”, is not installed"
        print(told, file=sys.stderr)
    pipeline = FacePipeline.load(options.model_dir, runtime=options.runtime)
    found = analyze(files, pipeline=pipeline, aligned=options.aligned)
    model = knowing.name_model(pipeline.card)
    return [row | ({"model": model} if row["face"] else {}) for f, result in found for row in rows_of(f, result)]


def write_report(rows: list[dict[str, Cell]], *, report_file: Path, options: Options) -> None:
    """The report of these rows, which go the same way as a CSV of them. Raises what `ml.surveying` raises."""
    with TemporaryDirectory() as folder:
        table = Path(folder, f"{name_source(options.paths)}.csv")
        table.write_text(to_csv(rows), encoding="utf-8")
        survey = reading.read_survey(table)
    known = knowing.find_known(survey, folder=options.model_dir)
    survey_files.write_files(computing.compute_report(survey, known=known), files=[report_file])


def name_source(paths: Sequence[Path]) -> str:
    """What a report calls photos: the name of their folder, or of the first of them."""
    first = paths[0].resolve()
    if len(paths) == 1 and not first.is_dir():
        return first.stem
    return (first if first.is_dir() else first.parent).name or "photos"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.predict",
        description=f"Find the faces in photos and say how each is perceived: {', '.join(labels.ATTRIBUTES)}. "
        "The answers are a model's guesses about impressions, not facts about people.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photos, or folders searched for photos")
    parser.add_argument("--csv", type=writable_file, metavar="FILE", help="write the rows to a CSV file")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--report",
        type=survey_files.report_file,
        metavar="FILE",
        help="write shares of all faces, with intervals: a page (.html), .json or .csv",
    )
    parser.add_argument("--aligned", action="store_true", help="take each image as a ready FairFace chip: no detection")
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of a checkpoint")
    parser.add_argument(
        "--runtime",
        choices=("torch", "onnx"),
        help="what runs the network (default: what the checkpoint's folder holds)",
    )
    return parser


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> Options:
    """The arguments, checked; exits with 2 and a sentence when they cannot work."""
    args = parser.parse_args(argv)
    for path in args.paths:
        if not path.exists():
            parser.error(f"{path} does not exist")
    with told_errors(parser):
        read_card(args.model)
    return Options(tuple(args.paths), args.csv, args.json, args.aligned, args.model, args.runtime, args.report)


def find_photos(paths: Iterable[Path]) -> Iterator[Path]:
    """The files as given, and those under the folders whose name ends like a photo's, in order of name."""
    from ml.photos import SUFFIXES

    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
        else:
            yield path


def analyze(files: list[Path], *, pipeline: "FacePipeline", aligned: bool) -> Iterator[tuple[Path, "PhotoResult"]]:
    """Each file with its result, some files at a time; progress goes to standard error."""
    from ml.pipeline import PhotoRequest

    with tqdm(total=len(files), unit="photo", disable=None) as bar:
        for start in range(0, len(files), PHOTOS_AT_ONCE):
            part = files[start : start + PHOTOS_AT_ONCE]
            if aligned:
                results = pipeline.classify_aligned(part)
            else:
                results = pipeline.analyze([PhotoRequest(file) for file in part])
            yield from zip(part, results, strict=True)
            bar.update(len(part))


def columns() -> list[str]:
    """The columns of every output, in their order."""
    names = ["file", "status", "face", "x1", "y1", "x2", "y2", "detection"]
    for attribute, values in labels.ATTRIBUTES.items():
        names += [f"predicted_{attribute}", *(f"{attribute}_{value}" for value in values)]
    numbers = [f"{name}_{labels.scale_of(name).unit}" for name in labels.ORDERED]
    return [*names, *numbers, "photo_width", "photo_height", "sharpness", "brightness", "model"]


def rows_of(file: Path, result: "PhotoResult") -> list[dict[str, Cell]]:
    """One row a face, or one row that says why there is none."""
    empty: dict[str, Cell] = dict.fromkeys(columns())
    if result.error or not result.faces:
        return [{**empty, "file": str(file), "status": "unreadable" if result.error else "no_face"}]
    rows = []
    for number, face in enumerate(result.faces, start=1):
        row = {**empty, "file": str(file), "status": "ok", "face": number}
        if face.box is not None and face.detection is not None:
            row |= {name: round(value, 2) for name, value in zip(("x1", "y1", "x2", "y2"), face.box, strict=True)}
            row["detection"] = round(face.detection, 4)
        row |= {"photo_width": result.width, "photo_height": result.height}
        row |= {"sharpness": round(face.sharpness, 2), "brightness": round(face.brightness, 4)}
        for attribute, vector in face.probabilities.items():
            names = labels.ATTRIBUTES[attribute]
            row[f"predicted_{attribute}"] = labels.top(vector, labels=names)[0]
            row |= {f"{attribute}_{name}": round(p, 5) for name, p in zip(names, vector, strict=True)}
            if attribute in labels.ORDERED:
                row[f"{attribute}_{labels.scale_of(attribute).unit}"] = round(labels.expected(attribute, vector), 1)
        rows.append(row)
    return rows


def to_csv(rows: list[dict[str, Cell]]) -> str:
    """The rows as CSV with a header; empty cells where there is nothing, and no file's name is a formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"file": guard_cell(str(row["file"]))} for row in rows)
    return text.getvalue()


def to_table(rows: list[dict[str, Cell]]) -> str:
    """The rows for people: file, face, box and the guesses with their probabilities, as far as there are any."""
    guessed = [name for name in labels.ATTRIBUTES if any(row[f"predicted_{name}"] is not None for row in rows)]
    numbers = [f"{name}_{labels.scale_of(name).unit}" for name in guessed if name in labels.ORDERED]
    units = [labels.scale_of(name).unit for name in guessed if name in labels.ORDERED]
    heads = ["file", "face", "box", *(f"perceived {name}" for name in guessed), *units]
    lines = [heads]
    for row in rows:
        if row["status"] != "ok":
            lines.append([str(row["file"]), "-", str(row["status"]), *[""] * (len(heads) - 3)])
            continue
        box = "whole image"
        if row["x1"] is not None:
            box = "{:.0f},{:.0f} {:.0f},{:.0f}".format(*(row[name] for name in ("x1", "y1", "x2", "y2")))
        guesses = []
        for attribute in guessed:
            label = row[f"predicted_{attribute}"]
            guesses.append(f"{label} {row[f'{attribute}_{label}']:.0%}")
        lines.append([str(row["file"]), str(row["face"]), box, *guesses, *(f"{row[name]:.0f}" for name in numbers)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


if __name__ == "__main__":
    raise SystemExit(main())
