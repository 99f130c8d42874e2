"""The tables of a model card on accuracy: overall, by group, where groups meet, and what is taken for what."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml import labels
from ml.attributes import ATTRIBUTES
from ml.measuring.tables import AttributeMeasures, Taxonomy
from ml.reporting import card_cells as cells
from ml.reporting import evaluation_text, numbers

LOWEST_CELLS = 5
LOWEST_GROUPS, TAKEN_FOR = 2, 2

Tables = Mapping[str, AttributeMeasures]
Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class LowGroup:
    """A group that is found rarely, and the shares of its faces that are taken for others."""

    name: str
    recall: float
    taken_for: tuple[tuple[str, float], ...]


def overview_rows(tables: Tables) -> Rows:
    """A line an attribute."""
    return [
        (
            cells.name_attribute(name, table),
            f"{table.images:,}",
            cells.share(table.accuracy),
            numbers.interval(*table.accuracy_interval),
            cells.share(table.balanced_accuracy),
            cells.share(table.accuracy_of_surest),
        )
        for name, table in tables.items()
    ]


def group_rows(table: AttributeMeasures) -> Rows:
    """Recall and precision of every group."""
    return [
        (
            name,
            f"{of.labelled:,}",
            cells.with_interval(of.recall, *of.recall_interval),
            f"{of.predicted:,}",
            cells.with_interval(of.precision, *of.precision_interval),
        )
        for name, of in table.groups.items()
    ]


def find_lowest_groups(table: AttributeMeasures) -> list[LowGroup]:
    """Those found least often: one of two groups, two of more."""
    names, found = table.names, []
    known = {name: recall for name in names if (recall := table.groups[name].recall) is not None}
    for name in sorted(known, key=lambda one: known[one])[: LOWEST_GROUPS if len(known) > 2 else 1]:
        row = dict(zip(names, table.confusion[names.index(name)], strict=True))
        wrong = sorted((other for other in names if other != name and row[other]), key=lambda other: -row[other])
        taken = tuple((other, row[other] / table.groups[name].labelled) for other in wrong[:TAKEN_FOR])
        found.append(LowGroup(name, known[name], taken))
    return found


def confusion_rows(table: AttributeMeasures) -> Rows:
    """Labels by predictions."""
    return [(label, *(f"{count:,}" for count in row)) for label, row in zip(table.names, table.confusion, strict=True)]


def taxonomy_rows(table: AttributeMeasures) -> Rows:
    """The coarser groupings; none where there is only one way to part the attribute."""
    found = {name: of for name, of in (table.taxonomies or {}).items() if of.images}
    return [_taxonomy_row(name, of) for name, of in found.items()] if len(found) > 1 else []


def others_by_group(tables: Tables) -> Tables:
    """The attributes that were measured by group of `labels.BY`, but for that itself."""
    return {name: of for name, of in tables.items() if name != labels.BY and len(of.parts.get(labels.BY, {})) > 1}


def tabulate_by_group(others: Tables) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a group's accuracies, and of attributes of two labels both recalls and the gap."""
    of_two = [(of.names, of.label_gap) for of in others.values() if of.label_gap]
    groups = next(iter(others.values())).parts[labels.BY]
    rows = []
    for group in groups:
        row = [group, f"{max(of.parts[labels.BY][group].n for of in others.values()):,}"]
        row += [cells.accuracy(of.parts[labels.BY][group]) for of in others.values()]
        for names, gaps in of_two:
            row += [*(cells.share(gaps[group].recall[name]) for name in names), numbers.points(gaps[group].gap)]
        rows.append(row)
    header = cells.header("labelled", "images", names=others, told="right")
    for names, _ in of_two:
        header += [*(f"{name} found" for name in names), " minus ".join(names)]
    return header, rows


def gap_rows(tables: Tables) -> Rows:
    """From the worst group to the best, by attribute and by what parts it."""
    rows: Rows = []
    for attribute, table in tables.items():
        for by, parting in table.gaps.items():
            if not (gap := parting.gap):
                continue
            told = [numbers.decimal(rate.value if rate else None, digits=2) for rate in parting.differences]
            worst, best = (f"{name} {cells.share(share)}" for name, share in gap.ends)
            rows.append((f"{attribute} by {by}", worst, best, cells.share(gap.gap), *told))
    return rows


def meetings(tables: Tables) -> list[tuple[str, Rows]]:
    """The accuracies where the groups of `labels.BY` meet the labels of an attribute of two, by that attribute."""
    found = []
    for other, declared in ATTRIBUTES.items():
        if declared.is_of_two and (rows := _meeting_rows(tables, other=other)):
            found.append((other, rows))
    return found


def lowest_rows(tables: Tables) -> Rows:
    """The intersections that are told right least often."""
    return [
        (name, cell.name, f"{cell.share.n:,}", cells.accuracy(cell.share))
        for name, table in tables.items()
        for cell in evaluation_text.find_lowest_cells(table, count=LOWEST_CELLS)
    ]


def _meeting_rows(tables: Tables, *, other: str) -> Rows:
    crossed = f"{labels.BY} x {other}"
    found = [{cell.name: cell.share for cell in table.intersections.get(crossed, ())} for table in tables.values()]
    rows: Rows = []
    for place in dict.fromkeys(name for of in found for name in of):
        shares = [of.get(place) for of in found]
        rows.append((place, f"{max(part.n for part in shares if part):,}", *map(cells.accuracy, shares)))
    return rows


def _taxonomy_row(name: str, of: Taxonomy) -> tuple[str, ...]:
    share, worst = min((share, group) for group, share in of.recall.items() if share is not None)
    measured = (cells.share(of.accuracy), numbers.interval(of.low, of.high), cells.share(of.balanced_accuracy))
    return name, f"{of.images:,}", *measured, f"{worst} {cells.share(share)}"
