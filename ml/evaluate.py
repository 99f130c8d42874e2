"""Measure a checkpoint: python -m ml.evaluate --data PLACE [--model DIR] [--json FILE] [--csv FILE] [--html FILE]

Or somebody else's predictions, a CSV that a TOML file explains (`ml.measuring.mapping`):
--predictions FILE.csv --mapping ml/configs/peers/human.toml. On any data set: --reader, --list, --taxonomy, --classes.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ml import measured
from ml.commands import CommandParser, known_device, say, told_errors, writable_file, writable_folder
from ml.datasets import face_set, fairface, held_out, sources
from ml.files import replace_file
from ml.measuring import long_table, measures, stored, tables
from ml.measuring.predictions import Predictions, predict_faces, read_predictions
from ml.measuring.whole_way import measure_whole_way
from ml.model.card import DEFAULT_DIR, ModelCard, find_weights, read_pair, write_pair
from ml.model.precision import PRECISIONS
from ml.model.runtime import RUNTIMES, Runtime, load_runtime
from ml.preprocess import Preset
from ml.reporting import evaluation_page, evaluation_text, numbers


def evaluate(
    side: Runtime | Predictions,
    *,
    source: sources.Source,
    name: str | None = None,
    whole_way: bool = False,
    seen: str = held_out.STOP,
) -> tables.Evaluation:
    """All measures on a data set, on request those after detection too.

    `name` is what the set is called, None makes one up. `seen` says what becomes of images that the model was trained
    on, as for `held_out.leave_out_seen`; reviewed faces of which it learned the answer are left out. Raises what
    reading and measuring raise.
    """
    known = None if isinstance(side, Predictions) else side.card
    preset = known.preset if known else Preset(margin=source.margin)
    faces = read_unlearned(source, preset=preset, card=known, seen=seen)
    predictions = side if isinstance(side, Predictions) else predict_faces(side, faces)
    data = tables.DataSet(
        name=name or name_source(source),
        source=", ".join([source.reader, source.place.name, *source.shards]),
        images=len(faces),
        sha256=faces.data_hash(),
        seen=known is not None
        and seen == held_out.MEASURE
        and held_out.was_seen(faces, card=known, place=source.place),
    )
    told = measures.measure(predictions, faces, calibration=known.calibration if known else None)
    way = None
    if whole_way and not isinstance(side, Predictions):
        large = read_unlearned(source, preset=replace(preset, size=fairface.SIDE), card=known, seen=seen)
        way = measure_whole_way(large, faces, runtime=side)
    version, answers = (known.sha256, known.answers_sha256) if known else ("", "")
    return tables.Evaluation(predictions.name, version, data, told, way, answers_sha256=answers)


def read_unlearned(source: sources.Source, *, preset: Preset, card: ModelCard | None, seen: str) -> face_set.FaceSet:
    """The data set without what the model has learned from."""
    faces = sources.read_source(source, preset=preset)
    if card is None:
        return faces
    faces = held_out.leave_out_taught(faces, cards=[card])
    return held_out.leave_out_seen(faces, cards=[card], place=source.place, seen=seen)


def name_source(source: sources.Source) -> str:
    """What a card calls the measures on a set: fairface_val, utkface, list_test."""
    if source.list_file:
        return f"list_{source.list_file.stem}"
    if source.shards:
        return "_".join([source.reader, *(Path(shard).stem for shard in source.shards)])
    if source.reader == "fairface":
        return f"fairface_{Path(source.label_file).stem.removeprefix('fairface_label_')}"
    return source.reader


def record(folder: Path, *, report: tables.Evaluation) -> ModelCard:
    """Write the short form of a report into a checkpoint's card; the weights stay, the hash is a new one.

    Raises SharedImages for measures on images that the model was trained on, and BadData where the folder holds
    something else by now than what was measured.
    """
    if report.data.seen:
        raise face_set.SharedImages("Not recorded: the model was trained on these images")
    weights_file = find_weights(folder)
    card, weights = read_pair(folder, weights_file=weights_file, own_labels=True)
    if card.answers_sha256 != report.answers_sha256:
        raise face_set.BadData(f"Not recorded: {folder} holds another version now than the one that was measured")
    found = {report.data.name: stored.shorten(report.measures)}
    if report.whole_way:
        found["whole_way"] = stored.shorten_whole_way(report.whole_way)
    found = {name: {measured.OF: measured.THIS, **measures} for name, measures in found.items()}
    card = replace(card, metrics={**card.metrics, **found})
    return write_pair(folder, card=card, weights=weights, weights_file=weights_file)


def summarise(report: tables.Evaluation) -> str:
    """The report for the terminal."""
    text = evaluation_text.summarise(report.measures)
    if way := report.whole_way:
        shares = [
            f"{name} {numbers.percent(again.accuracy)} "
            f"(their chips {numbers.percent(way.same_chips.attributes[name].accuracy)})"
            for name, again in way.found_again.attributes.items()
        ]
        text += f"\n\nwhole way: {numbers.percent(way.found)} of {way.images:,} found; {', '.join(shares)}"
    return text


def write_outputs(
    report: tables.Evaluation, *, json_file: Path | None, csv_file: Path | None, html_file: Path | None
) -> None:
    """Write what is asked for, each file whole or not at all."""
    if json_file:
        replace_file(json_file, json.dumps(stored.write_evaluation(report), indent=2, ensure_ascii=False) + "\n")
    if csv_file:
        replace_file(csv_file, long_table.to_csv(report.measures))
    if html_file:
        replace_file(html_file, evaluation_page.write_page(report))


def main(argv: list[str] | None = None) -> int:
    parser = CommandParser(
        prog="python -m ml.evaluate", description="Measure a checkpoint, or somebody else's predictions, on a data set."
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--runtime", choices=RUNTIMES, help="what runs it (default: torch, where its weights are)")
    parser.add_argument("--precision", choices=PRECISIONS, help="of torch (default: what suits the device)")
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu or cuda")
    parser.add_argument("--predictions", type=Path, metavar="CSV", help="somebody else's predictions instead")
    parser.add_argument("--mapping", type=Path, metavar="TOML", help="what the columns of the CSV mean")
    sources.add_arguments(parser)
    held_out.add_argument(parser)
    parser.add_argument("--json", type=writable_file, metavar="FILE", help="write all measures")
    parser.add_argument("--csv", type=writable_file, metavar="FILE", help="write all measures, one a row")
    parser.add_argument(
        "--html", type=writable_file, metavar="FILE", help="write a page with figures that opens offline"
    )
    parser.add_argument(
        "--whole-way", action="store_true", help="also through the detector, on turned chips on a canvas"
    )
    parser.add_argument("--record", action="store_true", help="write the main measures into the checkpoint's card")
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="what the card calls this data set (default: made up)"
    )
    args = parser.parse_args(argv)
    _check(args, parser=parser)
    with told_errors(parser):
        side: Runtime | Predictions
        if args.predictions:
            side = read_predictions(args.predictions, mapping=args.mapping)
        else:
            side = load_runtime(
                args.model, runtime=args.runtime, device=args.device, own_labels=True, precision=args.precision
            )
        source = sources.from_arguments(args)
        report = evaluate(side, source=source, name=args.name, whole_way=args.whole_way, seen=args.seen)
        say(summarise(report))
        write_outputs(report, json_file=args.json, csv_file=args.csv, html_file=args.html)
        if args.record:
            card = record(args.model, report=report)
            say(f"recorded in {args.model}: {card.name} is now {card.sha256[:12]}")
    return 0


def _check(args: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """What can be said before anything is read."""
    if bool(args.predictions) != bool(args.mapping):
        parser.error("--predictions and --mapping belong together")
    if args.predictions and (args.record or args.whole_way):
        parser.error("--record and --whole-way need a checkpoint, not predictions")
    if args.record:
        try:
            writable_folder(str(args.model))
        except argparse.ArgumentTypeError as error:
            parser.error(f"--record: {error}")


if __name__ == "__main__":
    raise SystemExit(main())
