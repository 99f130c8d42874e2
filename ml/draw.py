"""Draw faces, or photos, for people to look at: python -m ml.draw PREDICTIONS.csv --size 300 --out FILE.csv

Writes a CSV that a reviewer fills in a spreadsheet: reviewed_race, reviewed_gender and reviewed_age with a label,
"cannot tell" or "not a face", from the first row on. Its other columns must stay as they are: they say with what
probability each face was drawn, and python -m ml.report PREDICTIONS.csv --reviews FILE.csv holds them against the
predictions. --kind photos draws photos instead, in which faces that were not found are counted.
"""

import argparse
from pathlib import Path

from ml.commands import not_negative, positive, show, tell_aside, told_errors, width_px, writable_file
from ml.files import replace_file
from ml.measuring.mapping import read_mapping
from ml.surveying import drawing, reading
from ml.surveying.survey import SMALL_FACE_PX
from ml.surveying.tables import open_table


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.draw",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS.csv", help="what ml.predict --csv wrote")
    parser.add_argument("--size", type=positive, default=300, metavar="N", help="how many (default: 300)")
    parser.add_argument("--kind", choices=(drawing.FACES, drawing.PHOTOS), default=drawing.FACES)
    parser.add_argument("--out", type=writable_file, metavar="FILE", help="where to write (default: standard output)")
    parser.add_argument("--strata", default="race", metavar="ATTRIBUTE", help="whose labels are strata (default: race)")
    parser.add_argument("--mapping", type=Path, metavar="TOML", help="what the columns of somebody else's CSV mean")
    parser.add_argument(
        "--narrowest",
        type=width_px,
        default=SMALL_FACE_PX,
        metavar="PX",
        help=f"counted faces (default: {SMALL_FACE_PX})",
    )
    parser.add_argument("--seed", type=not_negative, default=1, help="the same seed draws the same faces (default: 1)")
    args = parser.parse_args(argv)
    with told_errors(parser):
        text = draw(args)
        if args.out:
            replace_file(args.out, text)
            tell_aside(f"{text.count(chr(10)) - 1:,} {args.kind} drawn into {args.out}")
    if not args.out:
        show(text, end="")
    return 0


def draw(args: argparse.Namespace) -> str:
    """The CSV of the draw. Raises what reading and drawing raise."""
    mapping = read_mapping(args.mapping) if args.mapping else None
    file = mapping.file if mapping else "file"
    survey = reading.read_survey(args.predictions, mapping=mapping, narrowest_px=args.narrowest)
    table = open_table(args.predictions)
    if args.kind == drawing.PHOTOS:
        photos, uid = drawing.draw_photos(survey, size=args.size, seed=args.seed)
        keys = {int(survey.photo_key[photo]) for photo in photos.face}
        names = drawing.list_names(table, file=file, keys=keys)
        return drawing.write_photos(photos, uid, survey=survey, names=names)
    found = drawing.draw_faces(survey, attribute=args.strata, size=args.size, seed=args.seed)
    return drawing.write_faces(found, survey=survey, table=table, file=file, attributes=list(survey.faces.classes))


if __name__ == "__main__":
    raise SystemExit(main())
