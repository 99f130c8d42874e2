"""What `ml.evaluate` tells the terminal, from the report of `ml.measuring.measures.measure`."""

from collections.abc import Mapping, Sequence

from ml import labels
from ml.measuring import measures
from ml.measuring.tables import AttributeMeasures, Cell, Measures
from ml.reporting import numbers

# A group is as wide as the longest label, and two spaces.
_NAME = 22
MANY_FACES = 20  # cells of fewer are too uncertain to be called the lowest
ENOUGH_CELLS = 10


def summarise(report: Measures) -> str:
    """An overview, then recall and precision of each attribute's groups, then the gaps between groups."""
    lines = [f"{report.name} on {report.images:,} faces", *_tell_left_out(report), ""]
    lines += _overview(report.attributes)
    for attribute, table in report.attributes.items():
        lines += ["", *_groups(attribute, table)]
    others = {
        name: of for name, of in report.attributes.items() if len(of.parts.get(labels.BY, {})) > 1 and name != labels.BY
    }
    if others:
        lines += ["", *_by_group(others)]
    gaps = _gaps(report.attributes)
    lines += ["", *gaps, ""] if gaps else [""]
    for attribute, table in report.attributes.items():
        for cell in find_lowest_cells(table, count=1):
            told = f"{numbers.percent(cell.share.accuracy)} of {cell.share.n} faces"
            lines.append(f"{attribute} is right least often for {cell.name}: {told}")
    return "\n".join(lines).rstrip()


def find_lowest_cells(table: AttributeMeasures, *, count: int) -> list[Cell]:
    """The least accurate of the finest intersections of which enough hold MANY_FACES."""
    for crossed in sorted(table.intersections, key=lambda name: -name.count(" x ")):
        cells = [cell for cell in table.intersections[crossed] if cell.share.n >= MANY_FACES]
        if len(cells) >= ENOUGH_CELLS:
            return sorted(cells, key=lambda cell: cell.share.accuracy or 0.0)[:count]
    return []


def _tell_left_out(report: Measures) -> list[str]:
    lines = []
    if report.unpredicted:
        lines.append(f"{report.unpredicted:,} of {report.faces:,} faces of the data set are not predicted")
    lines += [f"{count:,} images left out: {reason}" for reason, count in report.left_out.items()]
    for reason, names in measures.group_reasons(report.not_measured).items():
        lines.append(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not measured: {reason}")
    return lines


def _overview(attributes: Mapping[str, AttributeMeasures]) -> list[str]:
    header = ("faces", "accuracy", "95 % interval", "mean recall", "surest 80 %", "ECE")
    lines = [_line("", header)]
    for attribute, table in attributes.items():
        grouping = table.grouping or "own groups"
        name = attribute if grouping == attribute else f"{attribute} ({grouping})"
        cells = (
            f"{table.images:,}",
            numbers.percent(table.accuracy),
            numbers.interval(*table.accuracy_interval),
            numbers.percent(table.balanced_accuracy),
            numbers.percent(table.accuracy_of_surest),
            numbers.decimal(table.ece),
        )
        lines.append(_line(name, cells))
        more = []
        if table.steps:
            more.append(f"within one bin {numbers.percent(table.steps.within_one_bin)}")
        if table.years:
            more.append(f"mean error {numbers.decimal(table.years.mean_absolute_error_years, digits=2)} years")
        if more:
            lines.append(f"{'':{_NAME}}  {', '.join(more)}")
        if table.years and attribute in table.years.by:
            told = {name: of.mean_absolute_error for name, of in table.years.by[attribute].items() if of.n}
            off = ", ".join(f"{name} {numbers.decimal(years, digits=1)}" for name, years in told.items())
            lines.append(f"{'':{_NAME}}  years off by age: {off}")
    return lines


def _groups(attribute: str, table: AttributeMeasures) -> list[str]:
    lines = [_line(attribute, ("labelled", "recall", "95 % interval", "predicted", "precision"))]
    for name, of in table.groups.items():
        cells = (
            f"{of.labelled:,}",
            numbers.percent(of.recall),
            numbers.interval(*of.recall_interval),
            f"{of.predicted:,}",
            numbers.percent(of.precision),
        )
        lines.append(_line(f"  {name}", cells))
    return lines


def _by_group(attributes: Mapping[str, AttributeMeasures]) -> list[str]:
    lines = [_line(f"accuracy by {labels.BY}", list(attributes))]
    for name in next(iter(attributes.values())).parts[labels.BY]:
        shares = [numbers.percent(table.parts[labels.BY][name].accuracy) for table in attributes.values()]
        lines.append(_line(f"  {name}", shares))
    return lines


def _gaps(attributes: Mapping[str, AttributeMeasures]) -> list[str]:
    lines: list[str] = []
    for attribute, table in attributes.items():
        for by, parting in table.gaps.items():
            if not (gap := parting.gap):
                continue
            told = [numbers.decimal(one.value if one else None, digits=2) for one in parting.differences]
            cells = "".join(f"  {cell:>8}" for cell in (numbers.points(gap.gap).lstrip("+"), *told))
            ends = ", ".join(f"{name} {numbers.percent(share)}" for name, share in gap.ends)
            lines.append(f"  {f'{attribute} by {by}':{_NAME - 2}}{cells}  {ends}")
    header = f"{'gaps':{_NAME}}  {'points':>8}  {'parity':>8}  {'odds':>8}  lowest and highest accuracy"
    return [header, *lines] if lines else []


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:{_NAME}}" + "".join(f"  {cell:>13}" for cell in cells)
