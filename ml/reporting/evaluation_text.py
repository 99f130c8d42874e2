"""What `ml.evaluate` tells the terminal, from the report of `ml.measuring.measures.measure`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml import labels
from ml.measuring import measures
from ml.reporting import numbers

# A group is as wide as the longest label, and two spaces.
_NAME = 22
MANY_FACES = 20  # cells of fewer are too uncertain to be called the lowest
ENOUGH_CELLS = 10
BY_GROUP = f"by_{labels.BY}"


def summarise(report: Mapping[str, Any], *, attributes: Sequence[str]) -> str:
    """An overview, then recall and precision of each attribute's groups, then the gaps between groups."""
    lines = [f"{report['name']} on {report['images']:,} faces", *_tell_left_out(report), ""]
    lines += _overview(report, attributes=attributes)
    for attribute in attributes:
        lines += ["", *_groups(attribute, report[attribute])]
    others = [name for name in attributes if len(report[name].get(BY_GROUP, {})) > 1 and name != labels.BY]
    if others:
        lines += ["", *_by_group(report, attributes=others)]
    gaps = _gaps(report, attributes=attributes)
    lines += ["", *gaps, ""] if gaps else [""]
    for attribute in attributes:
        for cell, name in find_lowest_cells(report[attribute], count=1):
            told = f"{numbers.percent(cell['accuracy'])} of {cell['n']} faces"
            lines.append(f"{attribute} is right least often for {name}: {told}")
    return "\n".join(lines).rstrip()


def find_lowest_cells(table: Mapping[str, Any], *, count: int) -> list[tuple[Mapping[str, Any], str]]:
    """The least accurate of the finest intersections of which enough hold MANY_FACES, and what they are called."""
    for crossed in sorted(table["intersections"], key=lambda name: -name.count(" x ")):
        cells = [cell for cell in table["intersections"][crossed] if cell["n"] >= MANY_FACES]
        if len(cells) >= ENOUGH_CELLS:
            cells.sort(key=lambda cell: cell["accuracy"])
            return [(cell, ", ".join(cell[by] for by in crossed.split(" x "))) for cell in cells[:count]]
    return []


def _tell_left_out(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if report["unpredicted"]:
        lines.append(f"{report['unpredicted']:,} of {report['faces']:,} faces of the data set are not predicted")
    lines += [f"{count:,} images left out: {reason}" for reason, count in report["left_out"].items()]
    for reason, names in measures.group_reasons(report["not_measured"]).items():
        lines.append(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not measured: {reason}")
    return lines


def _overview(report: Mapping[str, Any], *, attributes: Sequence[str]) -> list[str]:
    header = ("faces", "accuracy", "95 % interval", "mean recall", "surest 80 %", "ECE")
    lines = [_line("", header)]
    for attribute in attributes:
        table = report[attribute]
        grouping = table["grouping"] or "own groups"
        name = attribute if grouping == attribute else f"{attribute} ({grouping})"
        cells = (
            f"{table['images']:,}",
            numbers.percent(table["accuracy"]),
            numbers.interval(*table["accuracy_interval"]),
            numbers.percent(table["balanced_accuracy"]),
            numbers.percent(table.get("accuracy_of_surest_80_percent")),
            numbers.decimal(table.get("ece")),
        )
        lines.append(_line(name, cells))
        more = []
        if "within_one_bin" in table:
            more.append(f"within one bin {numbers.percent(table['within_one_bin'])}")
        if "mean_absolute_error_years" in table:
            more.append(f"mean error {numbers.decimal(table['mean_absolute_error_years'], digits=2)} years")
        if more:
            lines.append(f"{'':{_NAME}}  {', '.join(more)}")
    return lines


def _groups(attribute: str, table: Mapping[str, Any]) -> list[str]:
    lines = [_line(attribute, ("labelled", "recall", "95 % interval", "predicted", "precision"))]
    for name, of in table["groups"].items():
        cells = (
            f"{of['labelled']:,}",
            numbers.percent(of["recall"]),
            numbers.interval(*of["recall_interval"]),
            f"{of['predicted']:,}",
            numbers.percent(of["precision"]),
        )
        lines.append(_line(f"  {name}", cells))
    return lines


def _by_group(report: Mapping[str, Any], *, attributes: Sequence[str]) -> list[str]:
    lines = [_line(f"accuracy by {labels.BY}", attributes)]
    for name in report[attributes[0]][BY_GROUP]:
        shares = [numbers.percent(report[attribute][BY_GROUP][name]) for attribute in attributes]
        lines.append(_line(f"  {name}", shares))
    return lines


def _gaps(report: Mapping[str, Any], *, attributes: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for attribute in attributes:
        for by, gap in report[attribute]["gaps"].items():
            if "gap" not in gap:
                continue
            found = [gap.get(f"{name}_difference") for name in ("demographic_parity", "equalised_odds")]
            told = [numbers.decimal(one["value"] if one else None, digits=2) for one in found]
            cells = "".join(f"  {cell:>8}" for cell in (numbers.points(gap["gap"]).lstrip("+"), *told))
            ends = ", ".join(f"{gap[end]} {numbers.percent(gap[f'{end}_accuracy'])}" for end in ("worst", "best"))
            lines.append(f"  {f'{attribute} by {by}':{_NAME - 2}}{cells}  {ends}")
    header = f"{'gaps':{_NAME}}  {'points':>8}  {'parity':>8}  {'odds':>8}  lowest and highest accuracy"
    return [header, *lines] if lines else []


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:{_NAME}}" + "".join(f"  {cell:>13}" for cell in cells)
