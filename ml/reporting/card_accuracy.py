"""The chapters of a model card on accuracy: overall, by group, where groups meet, and what is taken for what."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml import labels
from ml.attributes import ATTRIBUTES
from ml.model.card import ModelCard
from ml.reporting import card_cells as cells
from ml.reporting import evaluation_text, markdown, numbers

LOWEST_CELLS = 5
GAP_BY_GROUP = f"gap_by_{labels.BY}"


def write_overview(report: cells.Report, *, card: ModelCard) -> list[str]:
    """What was measured on, and a line an attribute."""
    measures, tables = report["measures"], cells.tables_of(report["measures"])
    return [
        markdown.heading("How well it does"),
        markdown.paragraph(
            f"All numbers are percentages on {measures['images']:,} images of {cells.name_data(report)} "
            f"({cells.name_source(report)}), unless something else is said.",
            "No training touched them, as far as the recipe tells." if card.recipe.get("data") else "",
            "In brackets, or in a "
            "column of their own, are 95 % intervals (Wilson): what so many images can tell. Mean recall, or balanced "
            "accuracy, gives every group the same weight, however many images it has.",
            *(f"{count:,} images were left out: {reason}." for reason, count in measures["left_out"].items()),
        ),
        markdown.table(
            ("", "images", "accuracy", "95 % interval", "mean recall", "among the 80 % surest"),
            [
                (
                    cells.name_attribute(name, table),
                    f"{table['images']:,}",
                    cells.share(table["accuracy"]),
                    numbers.interval(*table["accuracy_interval"]),
                    cells.share(table["balanced_accuracy"]),
                    cells.share(table.get("accuracy_of_surest_80_percent")),
                )
                for name, table in tables.items()
            ],
        ),
        *(markdown.paragraph(told) for name, table in tables.items() if (told := cells.tell_steps(name, table))),
    ]


def write_groups(report: cells.Report) -> list[str]:
    """Recall and precision of every group, the other attributes by them, gaps, and the lowest intersections."""
    tables = cells.tables_of(report["measures"])
    parts = []
    for name, table in tables.items():
        parts += [markdown.heading(f"{cells.capital(name)} by group", level=3), _group_table(table)]
        parts.append(markdown.paragraph(*_tell_lowest(table)))
    return [*parts, *_write_by_group(tables), *_write_gaps(tables), *_write_intersections(tables)]


def write_confusions(report: cells.Report) -> list[str]:
    """The confusion matrix of each attribute."""
    parts = [
        markdown.heading("What is taken for what", level=3),
        markdown.paragraph("Rows are labels, columns are predictions, in images."),
    ]
    for name, table in cells.tables_of(report["measures"]).items():
        rows = [
            (label, *(f"{count:,}" for count in row))
            for label, row in zip(table["names"], table["confusion"], strict=True)
        ]
        parts.append(markdown.table((name, *table["names"]), rows))
    return parts


def write_taxonomies(report: cells.Report) -> list[str]:
    """Every attribute that has them in coarser groupings."""
    tables = {name: of.get("taxonomies", {}) for name, of in cells.tables_of(report["measures"]).items()}
    return [part for name, found in tables.items() for part in _write_coarser(name, found)]


def _write_coarser(attribute: str, taxonomies: Mapping[str, Any]) -> list[str]:
    found = {name: of for name, of in taxonomies.items() if of["images"]}
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


def _group_table(table: cells.Table) -> str:
    return markdown.table(
        ("group", "labelled so", "found (recall)", "called so", "right of those (precision)"),
        [
            (
                name,
                f"{of['labelled']:,}",
                cells.with_interval(of["recall"], *of["recall_interval"]),
                f"{of['predicted']:,}",
                cells.with_interval(of["precision"], *of["precision_interval"]),
            )
            for name, of in table["groups"].items()
        ],
    )


def _tell_lowest(table: cells.Table) -> list[str]:
    """For the groups found least often, what they are taken for."""
    names, sentences = table["names"], []
    known = [name for name in names if table["groups"][name]["recall"] is not None]
    for name in sorted(known, key=lambda one: table["groups"][one]["recall"])[: 2 if len(known) > 2 else 1]:
        row = dict(zip(names, table["confusion"][names.index(name)], strict=True))
        wrong = sorted((other for other in names if other != name and row[other]), key=lambda other: -row[other])
        taken = [f"{other} {numbers.percent(row[other] / table['groups'][name]['labelled'])}" for other in wrong[:2]]
        told = f"of the faces labelled {name}, {numbers.percent(table['groups'][name]['recall'])} are found"
        told += f"; mostly taken for: {', '.join(taken)}" if taken else ""
        sentences.append(markdown.escape(f"{cells.capital(told)}."))
    return sentences


def _write_by_group(tables: Mapping[str, cells.Table]) -> list[str]:
    others = {name: of for name, of in tables.items() if name != labels.BY and len(of["parts"].get(labels.BY, {})) > 1}
    if not others:
        return []
    of_two = {name: of for name, of in others.items() if of.get(GAP_BY_GROUP)}
    groups = next(iter(others.values()))["parts"][labels.BY]
    rows = []
    for group in groups:
        row = [group, f"{max(of['parts'][labels.BY][group]['n'] for of in others.values()):,}"]
        row += [cells.accuracy(of["parts"][labels.BY][group]) for of in others.values()]
        for of in of_two.values():
            gap = of[GAP_BY_GROUP][group]
            row += [*(cells.share(gap[name]) for name in of["names"]), numbers.points(gap["gap"])]
        rows.append(row)
    header = ["labelled", "images", *(f"{name} right" for name in others)]
    for of in of_two.values():
        header += [*(f"{name} found" for name in of["names"]), " minus ".join(of["names"])]
    return [
        markdown.heading(f"{cells.capital(' and '.join(others))} by {labels.BY} group", level=3),
        markdown.table(header, rows),
    ]


def _write_gaps(tables: Mapping[str, cells.Table]) -> list[str]:
    rows = []
    for attribute, table in tables.items():
        for by, gap in table["gaps"].items():
            if "gap" not in gap:
                continue
            rates = [gap.get(key) for key in ("demographic_parity_difference", "equalised_odds_difference")]
            told = [numbers.decimal(rate.get("value") if isinstance(rate, dict) else rate, digits=2) for rate in rates]
            worst, best = (f"{gap[end]} {cells.share(gap[f'{end}_accuracy'])}" for end in ("worst", "best"))
            rows.append((f"{attribute} by {by}", worst, best, cells.share(gap["gap"]), *told))
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


def _write_intersections(tables: Mapping[str, cells.Table]) -> list[str]:
    parts = []
    for other, declared in ATTRIBUTES.items():
        if declared.is_of_two:
            parts += _write_meeting(tables, other=other)
    lowest = []
    for name, table in tables.items():
        for cell, label in evaluation_text.find_lowest_cells(table, count=LOWEST_CELLS):
            lowest.append((name, label, f"{cell['n']:,}", cells.accuracy(cell)))
    if lowest:
        told = f"The lowest intersections of at least {evaluation_text.MANY_FACES} faces:"
        parts += [markdown.paragraph(told), markdown.table(("", "labelled", "images", "right"), lowest)]
    return parts


def _write_meeting(tables: Mapping[str, cells.Table], *, other: str) -> list[str]:
    """The accuracies where the groups meet the labels of another attribute; nothing where none has both."""
    meetings = {name: table["intersections"].get(f"{labels.BY} x {other}", []) for name, table in tables.items()}
    places = dict.fromkeys((cell[labels.BY], cell[other]) for of in meetings.values() for cell in of)
    rows = []
    for group, label in places:
        found = [_find(of, **{labels.BY: group, other: label}) for of in meetings.values()]
        rows.append((f"{group}, {label}", f"{max(cell.get('n', 0) for cell in found):,}", *map(cells.accuracy, found)))
    if not rows:
        return []
    return [
        markdown.heading(f"Where {labels.BY} and {other} meet", level=3),
        markdown.table(("labelled", "images", *(f"{name} right" for name in tables)), rows),
    ]


def _taxonomy_row(name: str, of: Mapping[str, Any]) -> tuple[str, ...]:
    share, worst = min((share, group) for group, share in of["recall"].items() if share is not None)
    measured = (
        cells.share(of["accuracy"]),
        numbers.interval(of["low"], of["high"]),
        cells.share(of["balanced_accuracy"]),
    )
    return name, f"{of['images']:,}", *measured, f"{worst} {cells.share(share)}"


def _find(meeting: Sequence[Mapping[str, Any]], **labelled: str) -> Mapping[str, Any]:
    return next((cell for cell in meeting if labelled.items() <= cell.items()), {})
