"""Compare two models: python -m ml.compare --production DIR --candidate DIR --data PLACE [--output-html FILE]

Either side may also be a CSV of somebody else's predictions, explained by a TOML file (`ml.measuring.mapping`):
--candidate predictions.csv --candidate-mapping predictions.toml

Or both are one checkpoint, run in two ways, and --same-answers asks whether the faster one may take the other's place:
--candidate DIR --production DIR --production-precision float32 --same-answers
"""

import argparse
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ml.commands import CommandParser, known_device, say, told_errors, writable_file
from ml.datasets import face_set, held_out, sources
from ml.files import replace_file
from ml.measuring import comparing, same_answers, stored_comparison
from ml.measuring.comparison_tables import SIDES, ComparedFaces, Comparison, Side
from ml.measuring.predictions import Predictions, predict_faces, read_predictions
from ml.model.card import DEFAULT_DIR, ModelCard
from ml.model.precision import PRECISIONS
from ml.model.runtime import RUNTIMES, Runtime, load_runtime
from ml.preprocess import Preset
from ml.reporting import comparison_page, html, numbers

SHOWN_FACES = 24  # of each attribute on the page
MOST_FACES = 500  # the page is one file: so many are about 3 MB
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 128, 85
COLUMNS = (
    "attribute", "by", "group", "images", "production", "candidate", "difference", "low", "high",
    "production_only", "candidate_only", "p", "p_holm",
)  # fmt: skip


class Faces:
    """The data set's faces as each network wants them; read once for networks that want the same.

    Those that one of the checkpoints learned the answer of are in nobody's, nor are those that one of them was trained
    on, as far as `seen` says so (`held_out.leave_out_seen`).
    """

    def __init__(self, source: sources.Source, *, cards: Sequence[ModelCard], seen: str) -> None:
        self.source, self.cards, self.seen = source, cards, seen
        self._read: dict[tuple[int, float], face_set.FaceSet] = {}

    def read(self, preset: Preset) -> face_set.FaceSet:
        """Raises what `sources.read_source` raises."""
        wanted = (preset.size, preset.margin)
        if wanted not in self._read:
            faces = sources.read_source(self.source, preset=preset)
            faces = held_out.leave_out_taught(faces, cards=self.cards)
            place = self.source.place
            self._read[wanted] = held_out.leave_out_seen(faces, cards=self.cards, place=place, seen=self.seen)
        return self._read[wanted]

    def read_any(self) -> face_set.FaceSet:
        """The faces in whatever size they were read; in the thumbnails' if no network wanted them."""
        if not self._read:
            return self.read(Preset(size=THUMBNAIL_SIDE, margin=self.source.margin))
        return next(iter(self._read.values()))


def compare_models(
    production: Runtime | Predictions,
    candidate: Runtime | Predictions,
    *,
    source: sources.Source,
    seen: str = held_out.STOP,
) -> tuple[Comparison, dict[str, comparing.Pairing], face_set.FaceSet]:
    """The report, the pairs it is made of, and the faces; `seen` as for `Faces`. Raises BadData."""
    sides = dict(zip(SIDES, (production, candidate), strict=True))
    cards = [side.card for side in sides.values() if not isinstance(side, Predictions)]
    faces = Faces(source, cards=cards, seen=seen)
    said = {
        name: side if isinstance(side, Predictions) else predict_faces(side, faces.read(side.card.preset))
        for name, side in sides.items()
    }
    shown = faces.read_any()
    pairings, reasons = comparing.pair(said["production"], said["candidate"], shown)
    about = {}
    for name, side in sides.items():
        about[name] = Side(said[name].name)
        if not isinstance(side, Predictions):
            known = seen == held_out.MEASURE and held_out.was_seen(
                faces.read(side.card.preset), card=side.card, place=source.place
            )
            about[name] = replace(
                about[name], sha256=side.card.sha256, answers_sha256=side.card.answers_sha256, seen=known
            )
    report = Comparison(
        production=about["production"],
        candidate=about["candidate"],
        data=ComparedFaces(describe_source(source), len(shown), shown.data_hash(), shown.left_out),
        not_compared=reasons,
        attributes=comparing.compare(pairings, shown),
    )
    return report, pairings, shown


def describe_source(source: sources.Source) -> str:
    """A data set in a few words."""
    parts = [source.reader, source.place.name, *source.shards, *([source.list_file.name] if source.list_file else [])]
    return ", ".join(dict.fromkeys(parts))


def make_thumbnails(disagreements: Sequence[comparing.Disagreement], faces: face_set.FaceSet) -> list[html.Thumbnail]:
    """A small picture of each, with what both sides and the label say."""
    items = []
    for found in disagreements:
        content = io.BytesIO()
        chip = Image.fromarray(faces.images[found.row])
        small = chip.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        small.save(content, "JPEG", quality=THUMBNAIL_QUALITY)
        lines = [f"labelled {found.labelled}"]
        for side, (name, probability) in found.said.items():
            sure = "" if probability is None else f" {numbers.percent(probability, digits=0)}"
            lines.append(f"{side}: {name}{sure}, {'right' if name == found.labelled else 'wrong'}")
        file = faces.files[found.row]
        items.append(html.Thumbnail(content.getvalue(), alt=f"the face in {file}", title=file, lines=tuple(lines)))
    return items


def to_csv(report: Comparison) -> str:
    """A row for each attribute as a whole and for each of its groups; shares in 0..1."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\n", extrasaction="ignore", restval="")
    writer.writeheader()
    for attribute, part in report.attributes.items():
        writer.writerow({"attribute": attribute, "group": "all", **vars(part.overall)})
        for by, rows in part.by.items():
            writer.writerows({"attribute": attribute, "by": by, **vars(row)} for row in rows)
    return text.getvalue()


def main(argv: list[str] | None = None) -> int:
    parser = CommandParser(
        prog="python -m ml.compare", description="Compare two models, or somebody else's predictions, face by face."
    )
    parser.add_argument("--production", type=Path, default=DEFAULT_DIR, metavar="DIR", help="a checkpoint, or a CSV")
    parser.add_argument("--candidate", type=Path, required=True, metavar="DIR", help="a checkpoint, or a CSV")
    for side in SIDES:
        parser.add_argument(f"--{side}-mapping", type=Path, metavar="TOML", help="what the columns of its CSV mean")
        parser.add_argument(f"--{side}-runtime", choices=RUNTIMES, help="what runs it (default: what its folder holds)")
        parser.add_argument(f"--{side}-precision", choices=PRECISIONS, help="of torch (default: what suits the device)")
    sources.add_arguments(parser)
    held_out.add_argument(parser)
    parser.add_argument("--output-csv", type=writable_file, metavar="FILE", help="write the groups' table")
    parser.add_argument(
        "--output-html", type=writable_file, metavar="FILE", help="write a page with faces where they differ"
    )
    parser.add_argument("--json", type=writable_file, metavar="FILE", help="write all measures")
    parser.add_argument(
        "--faces", type=int, default=SHOWN_FACES, help=f"faces per attribute on the page (default: {SHOWN_FACES})"
    )
    parser.add_argument(
        "--same-answers", action="store_true", help="end with status 1 unless the candidate answers as production does"
    )
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu or cuda")
    args = parser.parse_args(argv)
    if not 0 <= args.faces <= MOST_FACES:
        parser.error(f"--faces is a number from 0 to {MOST_FACES}")
    with told_errors(parser):
        sides = [_load_side(args, side, parser=parser) for side in SIDES]
        report, pairings, faces = compare_models(*sides, source=sources.from_arguments(args), seen=args.seen)
        say(comparison_page.summarise(report))
        if args.same_answers:
            report = replace(report, same_answers=same_answers.check(report.attributes))
            print("\n".join(["", *comparison_page.tell_same_answers(report.same_answers)]))
        if args.output_csv:
            replace_file(args.output_csv, to_csv(report))
        if args.json:
            replace_file(
                args.json, json.dumps(stored_comparison.write_comparison(report), indent=2, ensure_ascii=False) + "\n"
            )
        if args.output_html:
            apart = {name: comparing.find_disagreements(pairing) for name, pairing in pairings.items()}
            page = comparison_page.write_page(
                report,
                thumbnails={name: make_thumbnails(found[: args.faces], faces) for name, found in apart.items()},
                apart={name: len(found) for name, found in apart.items()},
            )
            replace_file(args.output_html, page)
    return 0 if all(found.same for found in report.same_answers.values()) else 1


def _load_side(args: argparse.Namespace, side: str, *, parser: argparse.ArgumentParser) -> Runtime | Predictions:
    place, mapping = getattr(args, side), getattr(args, f"{side}_mapping")
    if mapping is not None:
        return read_predictions(place, mapping=mapping)
    if place.is_file():
        parser.error(f"--{side} {place} is a file: a checkpoint is a folder, and a CSV needs --{side}-mapping")
    return load_runtime(
        place,
        runtime=getattr(args, f"{side}_runtime"),
        device=args.device,
        own_labels=True,
        precision=getattr(args, f"{side}_precision"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
