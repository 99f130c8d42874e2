"""Tell who is pictured in a collection: python -m ml.report PREDICTIONS.csv [--html FILE] [--json FILE] [--csv FILE]

PREDICTIONS.csv is what ml.predict --csv wrote, or somebody else's with --mapping (as for ml.evaluate). Shares are
corrected by how the model errs on held-out faces, if its checkpoint carries that; with --reviews, what people filled in
of a draw (ml.draw), they come from people. Without a file to write the shares are printed. Nothing here is a fact about
persons: it is how faces are perceived.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from ml import labels
from ml.commands import not_negative, positive, say, show, told_errors, width_px
from ml.measuring.mapping import read_mapping
from ml.reporting import survey_files, survey_text
from ml.shares.resampling import REPLICATES, Bootstrap
from ml.surveying import against, computing, knowing, reading, reviewing
from ml.surveying.survey import SMALL_FACE_PX

LEAST_RESAMPLES = 100  # under which the ends of a 95 % interval are two or three resamples


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.report",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS.csv", help="what ml.predict --csv wrote")
    parser.add_argument("--mapping", type=Path, metavar="TOML", help="what the columns of somebody else's CSV mean")
    parser.add_argument(
        "--reviews", type=Path, action="append", default=[], metavar="CSV", help="a draw that was filled in; repeatable"
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="the predictions' checkpoint (default: ml/weights)")
    parser.add_argument("--by", metavar="COLUMN", help="also tell each value of this column apart")
    parser.add_argument("--against", type=Path, metavar="CSV", help="reference shares, or other predictions")
    parser.add_argument("--taxonomy", choices=tuple(labels.TAXONOMIES), help="groups of race (default: the model's)")
    parser.add_argument(
        "--narrowest",
        type=width_px,
        default=SMALL_FACE_PX,
        metavar="PX",
        help=f"counted faces (default: {SMALL_FACE_PX})",
    )
    parser.add_argument("--replicates", type=positive, default=REPLICATES, metavar="B", help="resamples")
    parser.add_argument("--seed", type=not_negative, default=0, help="of the resamples")
    for suffix, what in (("html", "a page that opens offline"), ("json", "all values"), ("csv", "an estimate a row")):
        parser.add_argument(f"--{suffix}", type=survey_files.report_file, metavar="FILE", help=f"write {what}")
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    for suffix in ("html", "json", "csv"):
        file = getattr(args, suffix)
        if file and file.suffix.lower() != f".{suffix}":
            parser.error(f"--{suffix} {file} does not end with .{suffix}")
    if args.replicates < LEAST_RESAMPLES:
        parser.error(f"--replicates {args.replicates}: intervals need {LEAST_RESAMPLES} resamples or more")
    with told_errors(parser):
        mapping = read_mapping(args.mapping) if args.mapping else None
        survey = reading.read_survey(args.predictions, mapping=mapping, by=args.by, narrowest_px=args.narrowest)
        known = knowing.find_known(survey, folder=args.model)
        taught = known.learned_from
        reviewed = reviewing.read_reviews(args.reviews, survey=survey, learned_from=taught) if args.reviews else None
        bootstrap = Bootstrap(replicates=args.replicates, seed=args.seed)
        request = computing.Request(taxonomy=args.taxonomy, bootstrap=bootstrap)
        if args.against:
            request = add_other(request, args=args)
        report = computing.compute_report(survey, known=known, reviewed=reviewed, request=request)
        files = [file for file in (args.html, args.json, args.csv) if file]
        survey_files.write_files(report, files=files)
    if files:
        faces = "one face" if report.faces == 1 else f"{report.faces:,} faces"
        say(f"report of {faces} written to {', '.join(map(str, files))}")
    else:
        show(survey_text.write_text(report))
    return 0


def add_other(request: computing.Request, *, args: argparse.Namespace) -> computing.Request:
    """What the collection is held against: the header of the file tells which it is."""
    if against.is_reference(args.against):
        return replace(request, reference=against.read_reference(args.against))
    mapping = read_mapping(args.mapping) if args.mapping else None
    other = reading.read_survey(args.against, mapping=mapping, narrowest_px=args.narrowest)
    return replace(request, other=other, other_known=knowing.find_known(other, folder=args.model))


if __name__ == "__main__":
    raise SystemExit(main())
