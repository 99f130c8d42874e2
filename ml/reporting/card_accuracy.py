"""The chapters of a model card on accuracy: overall, by group, where groups meet, and what is taken for what."""

from collections.abc import Mapping

from ml import labels
from ml.attributes import ATTRIBUTES
from ml.measuring.tables import AttributeMeasures, Evaluation, Taxonomy
from ml.model.card import ModelCard
from ml.reporting import card_cells as cells
from ml.reporting import evaluation_text, markdown, numbers

LOWEST_CELLS = 5


def write_overview(report: Evaluation, *, card: ModelCard) -> list[str]:
    """What was measured on, and a line an attribute."""
    measures, tables = report.measures, report.measures.attributes
    return [
        markdown.heading("How well it does"),
        markdown.paragraph(
            f"All numbers are percentages on {measures.images:,} images of {cells.name_data(report)} "
            f"({cells.name_source(report.data.source)}), unless something else is said.",
            "No training touched them, as far as the recipe tells." if card.recipe.get("data") else "",
            "In brackets, or in a "
            "column of their own, are 95 % intervals (Wilson): what so many images can tell. Mean recall, or balanced "
            "accuracy, gives every group the same weight, however many images it has.",
            *(f"{count:,} images were left out: {reason}." for reason, count in measures.left_out.items()),
        ),
        markdown.table(
            ("", "images", "accuracy", "95 % interval", "mean recall", "among the 80 % surest"),
            [
                (
                    cells.name_attribute(name, table),
                    f"{table.images:,}",
                    cells.share(table.accuracy),
                    numbers.interval(*table.accuracy_interval),
                    cells.share(table.balanced_accuracy),
                    cells.share(table.accuracy_of_surest),
                )
                for name, table in tables.items()
            ],
        ),
        *(markdown.paragraph(told) for name, table in tables.items() if (told := cells.tell_steps(name, table))),
    ]


def write_groups(report: Evaluation) -> list[str]:
    """Recall and precision of every group, the other attributes by them, gaps, and the lowest intersections."""
    tables = report.measures.attributes
    parts = []
    for name, table in tables.items():
        parts += [markdown.heading(f"{cells.capital(name)} by group", level=3), _group_table(table)]
        parts.append(markdown.paragraph(*_tell_lowest(table)))
    return [*parts, *_write_by_group(tables), *_write_gaps(tables), *_write_intersections(tables)]


def write_confusions(report: Evaluation) -> list[str]:
    """The confusion matrix of each attribute."""
    parts = [
        markdown.heading("What is taken for what", level=3),
        markdown.paragraph("Rows are labels, columns are predictions, in images."),
    ]
    for name, table in report.measures.attributes.items():
        rows = [
            (label, *(f"{count:,}" for count in row)) for label, row in zip(table.names, table.confusion, strict=True)
        ]
        parts.append(markdown.table((name, *table.names), rows))
    return parts


def write_taxonomies(report: Evaluation) -> list[str]:
    """Every attribute that has them in coarser groupings."""
    tables = report.measures.attributes
    return [part for name, of in tables.items() for part in _write_coarser(name, of.taxonomies or {})]


def _write_coarser(attribute: str, taxonomies: Mapping[str, Taxonomy]) -> list[str]:
    found = {name: of for name, of in taxonomies.items() if of.images}
    if len(found) < 2:
        return []
    return [
        markdown.heading(f"{cells.capital(attribute)} in coarser groupings", level=3),
        markdown.paragraph(
            "Groups are sums of the finest probabilities, never a separate model. Images of groups that a grouping "
            "leaves out are not counted."
        ),
        markdown.table(
            ("grouping", "images", "accuracy", "95 % interval", "mean recall", "lowest recall"),
            [_taxonomy_row(name, of) for name, of in found.items()],
        ),
    ]


def _group_table(table: AttributeMeasures) -> str:
    return markdown.table(
        ("group", "labelled so", "found (recall)", "called so", "right of those (precision)"),
        [
            (
                name,
                f"{of.labelled:,}",
                cells.with_interval(of.recall, *of.recall_interval),
                f"{of.predicted:,}",
                cells.with_interval(of.precision, *of.precision_interval),
            )
            for name, of in table.groups.items()
        ],
    )


def _tell_lowest(table: AttributeMeasures) -> list[str]:
    """For the groups found least often, what they are taken for."""
    names, sentences = table.names, []
    known = {name: recall for name in names if (recall := table.groups[name].recall) is not None}
    for name in sorted(known, key=lambda one: known[one])[: 2 if len(known) > 2 else 1]:
        row = dict(zip(names, table.confusion[names.index(name)], strict=True))
        wrong = sorted((other for other in names if other != name and row[other]), key=lambda other: -row[other])
        taken = [f"{other} {numbers.percent(row[other] / table.groups[name].labelled)}" for other in wrong[:2]]
        told = f"of the faces labelled {name}, {numbers.percent(known[name])} are found"
        told += f"; mostly taken for: {', '.join(taken)}" if taken else ""
        sentences.append(markdown.escape(f"{cells.capital(told)}."))
    return sentences


def _write_by_group(tables: Mapping[str, AttributeMeasures]) -> list[str]:
    others = {name: of for name, of in tables.items() if name != labels.BY and len(of.parts.get(labels.BY, {})) > 1}
    if not others:
        return []
    of_two = [(of.names, of.label_gap) for of in others.values() if of.label_gap]
    groups = next(iter(others.values())).parts[labels.BY]
    rows = []
    for group in groups:
        row = [group, f"{max(of.parts[labels.BY][group].n for of in others.values()):,}"]
        row += [cells.accuracy(of.parts[labels.BY][group]) for of in others.values()]
        for names, gaps in of_two:
            row += [*(cells.share(gaps[group].recall[name]) for name in names), numbers.points(gaps[group].gap)]
        rows.append(row)
    header = ["labelled", "images", *(f"{name} right" for name in others)]
    for names, _ in of_two:
        header += [*(f"{name} found" for name in names), " minus ".join(names)]
    return [
        markdown.heading(f"{cells.capital(' and '.join(others))} by {labels.BY} group", level=3),
        markdown.table(header, rows),
    ]


def _write_gaps(tables: Mapping[str, AttributeMeasures]) -> list[str]:
    rows = []
    for attribute, table in tables.items():
        for by, parting in table.gaps.items():
            if not (gap := parting.gap):
                continue
            told = [numbers.decimal(rate.value if rate else None, digits=2) for rate in parting.differences]
            worst, best = (f"{name} {cells.share(share)}" for name, share in gap.ends)
            rows.append((f"{attribute} by {by}", worst, best, cells.share(gap.gap), *told))
    if not rows:
        return []
    return [
        markdown.heading("Gaps between groups", level=3),
        markdown.paragraph(
            "The lowest and the highest accuracy, the points between them, and fairlearn's largest differences of "
            "demographic parity and of equalised odds (0 is even, 1 is the most uneven)."
        ),
        markdown.table(("", "lowest", "highest", "points", "parity", "odds"), rows),
    ]


def _write_intersections(tables: Mapping[str, AttributeMeasures]) -> list[str]:
    parts = []
    for other, declared in ATTRIBUTES.items():
        if declared.is_of_two:
            parts += _write_meeting(tables, other=other)
    lowest = []
    for name, table in tables.items():
        for cell in evaluation_text.find_lowest_cells(table, count=LOWEST_CELLS):
            lowest.append((name, cell.name, f"{cell.share.n:,}", cells.accuracy(cell.share)))
    if lowest:
        told = f"The lowest intersections of at least {evaluation_text.MANY_FACES} faces:"
        parts += [markdown.paragraph(told), markdown.table(("", "labelled", "images", "right"), lowest)]
    return parts


def _write_meeting(tables: Mapping[str, AttributeMeasures], *, other: str) -> list[str]:
    """The accuracies where the groups meet the labels of another attribute; nothing where none has both."""
    crossed = f"{labels.BY} x {other}"
    meetings = [{cell.name: cell.share for cell in table.intersections.get(crossed, ())} for table in tables.values()]
    rows = []
    for place in dict.fromkeys(name for of in meetings for name in of):
        found = [of.get(place) for of in meetings]
        rows.append((place, f"{max(part.n for part in found if part):,}", *map(cells.accuracy, found)))
    if not rows:
        return []
    return [
        markdown.heading(f"Where {labels.BY} and {other} meet", level=3),
        markdown.table(("labelled", "images", *(f"{name} right" for name in tables)), rows),
    ]


def _taxonomy_row(name: str, of: Taxonomy) -> tuple[str, ...]:
    share, worst = min((share, group) for group, share in of.recall.items() if share is not None)
    measured = (cells.share(of.accuracy), numbers.interval(of.low, of.high), cells.share(of.balanced_accuracy))
    return name, f"{of.images:,}", *measured, f"{worst} {cells.share(share)}"
