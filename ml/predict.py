"""Classify faces: python -m ml.predict PATH... [--csv FILE] [--parquet FILE] [--json] [--report FILE] [--model DIR]

Any number of photos: rows are written as they come, --resume goes on after a kill, --shard I/N takes one part of N.
--report writes who is pictured in all of these photos together, as a page, JSON or CSV by the file's name.
Ends with 3 where no file could be read.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from ml import file_names, labels
from ml.commands import CommandParser, tell_aside, told_errors, writable_file
from ml.datasets.face_set import EmptySet
from ml.model.card import DEFAULT_DIR, read_card
from ml.predicting import finding, parquet
from ml.predicting.growing import GrowingTable
from ml.predicting.printing import JsonPrinter, Output, TablePrinter
from ml.predicting.rows import Row, Rows
from ml.predicting.tally import Tally
from ml.reporting import survey_files
from ml.requests import DETAILS, NORMAL
from ml.surveying import computing, knowing, reading

if TYPE_CHECKING:
    from ml.pipeline import FacePipeline, PhotoResult

PHOTOS_AT_ONCE = 32
COUNTED_FIRST = 10_000  # files that are looked for before one is read, so that progress can tell how many there are
NOTHING_READ = 3  # the exit status


@dataclass(frozen=True)
class Options:
    paths: tuple[Path, ...]
    csv_file: Path | None = None
    parquet_file: Path | None = None
    report_file: Path | None = None
    as_json: bool = False
    resume: bool = False
    shard: finding.Shard = field(default_factory=finding.Shard)
    aligned: bool = False
    detail: str = NORMAL
    model_dir: Path = DEFAULT_DIR
    runtime: str | None = None


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    options = parse_options(parser, argv)
    try:
        with told_errors(parser):
            tally = predict(options)
    except KeyboardInterrupt:
        return 130
    return NOTHING_READ if tally.has_nothing else 0


def predict(options: Options) -> Tally:
    """Ask the model for all photos, write what it says as it comes, and tell what became of the files.

    Raises EmptySet where there is no photo, UnfinishedTable, CheckpointError and OSError, and for a report what
    `ml.surveying` raises.
    """
    passed_over = finding.PassedOver()
    files = finding.find_photos(options.paths, passed_over=passed_over, shard=options.shard)
    first = list(islice(files, COUNTED_FIRST))
    if not first:
        tell_aside(passed_over.tell())
        raise EmptySet(f"there is no photo in {', '.join(map(str, options.paths))}")
    from ml.pipeline import FacePipeline  # loads torch: not before the arguments are known to be good

    pipeline = FacePipeline.load(options.model_dir, runtime=options.runtime, own_labels=True)
    rows, tally = Rows(pipeline.card), Tally()
    with TemporaryDirectory() as scratch:
        table = open_table(options, rows=rows, scratch=Path(scratch))
        outputs: list[Output] = [table] if table else []
        if options.as_json or not table:
            outputs.append(JsonPrinter() if options.as_json else TablePrinter(rows))
        wanted = (file for file in chain(first, files) if table is None or not table.has(file_names.to_text(file)))
        bar = tqdm(total=len(first) if len(first) < COUNTED_FIRST else None, unit="photo", disable=None)
        with bar, told_leftovers(table if options.csv_file or options.parquet_file else None):
            bar.update(table.kept if table else 0)
            asked = ask(wanted, pipeline=pipeline, options=options, bar=bar)
            put_out(([rows.tell(file, result) for file, result in part] for part in asked), outputs, tally=tally)
        if table:
            write_further(table.path, options=options, rows=rows)
    tell_aside(passed_over.tell(), tally.tell())
    return tally


def ask(
    files: Iterable[Path], *, pipeline: "FacePipeline", options: Options, bar: "tqdm[NoReturn]"
) -> Iterator[list[tuple[Path, "PhotoResult"]]]:
    """Files with their results, some at a time."""
    from ml.pipeline import PhotoRequest

    files = iter(files)
    while part := list(islice(files, PHOTOS_AT_ONCE)):
        if options.aligned:
            results = pipeline.classify_aligned(part)
        else:
            results = pipeline.analyze([PhotoRequest(file, detail=options.detail, may_turn=True) for file in part])
        yield list(zip(part, results, strict=True))
        bar.update(len(part))


def put_out(parts: Iterable[list[list[Row]]], outputs: Sequence[Output], *, tally: Tally) -> None:
    """Give the rows of some files at a time to all outputs, as long as one of them wants more."""
    for part in parts:
        tally.add(part)
        rows = [row for of_file in part for row in of_file]
        outputs = [output for output in outputs if output.add(rows)]
        if not outputs:
            return  # whoever read standard output has seen enough
    for output in outputs:
        output.finish()


def open_table(options: Options, *, rows: Rows, scratch: Path) -> GrowingTable | None:
    """Where rows are kept: the CSV, or one that Parquet and report are made from; None where they are only printed."""
    if options.csv_file:
        path = options.csv_file
    elif options.parquet_file:
        path = options.parquet_file.with_name(f"{options.parquet_file.name}.csv")
    elif options.report_file:
        path = scratch / "rows.csv"
    else:
        return None
    return GrowingTable(path, columns=rows.columns, model=knowing.name_model(rows.card), resume=options.resume)


@contextmanager
def told_leftovers(table: GrowingTable | None) -> Iterator[None]:
    """Where a run breaks off, say what is kept of it."""
    try:
        yield
    except BaseException:
        if table:
            tell_aside(f"broken off: what was done is in {table.unfinished}, and --resume goes on with it")
        raise


def write_further(table: Path, *, options: Options, rows: Rows) -> None:
    """Parquet and report of the rows of a finished CSV, which goes where nobody asked for it."""
    if options.csv_file:
        tell_aside(f"rows written to {options.csv_file}")
    if options.parquet_file:
        parquet.write_parquet(table, to=options.parquet_file, columns=rows.columns)
        tell_aside(f"rows written to {options.parquet_file}")
    if options.report_file:
        survey = reading.read_survey(table, source=name_source(options.paths))
        known = knowing.find_known(survey, folder=options.model_dir)
        survey_files.write_files(computing.compute_report(survey, known=known), files=[options.report_file])
        tell_aside(f"report written to {options.report_file}")
    if not options.csv_file:
        table.unlink()


def name_source(paths: Sequence[Path]) -> str:
    """What a report calls photos: the name of their folder, or of the first of them."""
    first = paths[0].resolve()
    if len(paths) == 1 and not first.is_dir():
        return first.stem
    return (first if first.is_dir() else first.parent).name or "photos"


def build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m ml.predict",
        description=f"Find the faces in photos and say how each is perceived: {', '.join(labels.ATTRIBUTES)}. "
        "The answers are a model's guesses about impressions, not facts about people.",
        epilog=f"Ends with {NOTHING_READ} where no file could be read.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photos, or folders searched for photos")
    parser.add_argument("--csv", type=writable_file, metavar="FILE", help="write the rows to a CSV file, as they come")
    parser.add_argument("--parquet", type=writable_file, metavar="FILE", help="write the rows to a Parquet file")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--report",
        type=survey_files.report_file,
        metavar="FILE",
        help="write shares of all faces, with intervals: a page (.html), .json or .csv",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the CSV or Parquet of a run that broke off, or add new files"
    )
    parser.add_argument(
        "--shard",
        type=shard,
        default=finding.Shard(),
        metavar="I/N",
        help="only part I of N of the files, the same whenever and wherever it runs",
    )
    parser.add_argument(
        "--detail",
        choices=DETAILS,
        default=NORMAL,
        help="how closely photos are searched: for faces from 20 pixels wide on, from 40 on in photos of any size "
        "(default), or as quickly as may be",
    )
    parser.add_argument("--aligned", action="store_true", help="take each image as a ready FairFace chip: no detection")
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of a checkpoint")
    parser.add_argument(
        "--runtime",
        choices=("torch", "onnx"),
        help="what runs the network (default: what the checkpoint's folder holds)",
    )
    return parser


def shard(text: str) -> finding.Shard:
    """Part I of N, as an argument's type."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part of a number of parts, as 1/4 is")
    return finding.Shard(int(number), int(count))


def parse_options(parser: argparse.ArgumentParser, argv: list[str] | None) -> Options:
    """The arguments, checked; exits with 2 and a sentence when they cannot work."""
    args = parser.parse_args(argv)
    for path in args.paths:
        if not path.exists():
            parser.error(file_names.to_printable(f"{path} does not exist"))
    if args.parquet and not parquet.IS_WRITTEN:
        parser.error("Parquet needs pyarrow, Facet's extra “parquet”, which is not installed")
    if args.resume and not (args.csv or args.parquet):
        parser.error("--resume goes on with a --csv or a --parquet")
    with told_errors(parser):
        read_card(args.model, own_labels=True)
    return Options(
        paths=tuple(args.paths),
        csv_file=args.csv,
        parquet_file=args.parquet,
        report_file=args.report,
        as_json=args.json,
        resume=args.resume,
        shard=args.shard,
        aligned=args.aligned,
        detail=args.detail,
        model_dir=args.model,
        runtime=args.runtime,
    )


if __name__ == "__main__":
    raise SystemExit(main())
