"""The chapters of a model card on trust: calibration, quality, the whole way, other data sets, another model."""

from collections.abc import Mapping
from typing import Any

from ml.measuring.comparison_tables import Comparison, Paired
from ml.measuring.tables import AttributeMeasures, Evaluation, Number, Taxonomy
from ml.model.card import ModelCard
from ml.reporting import card_cells as cells
from ml.reporting import markdown, numbers

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def write_calibration(report: Evaluation, *, card: ModelCard, diagram: str) -> list[str]:
    """Temperatures, reliability, "unsure", coverage; `diagram` is the file with the reliability diagrams, if any."""
    tables = {name: of for name, of in report.measures.attributes.items() if of.confidence}
    if not tables:
        return []
    fitted = card.metrics.get("calibration", {})
    parts = [
        markdown.heading('Calibration, and "unsure"'),
        markdown.paragraph(
            f"One temperature per attribute and the thresholds were fitted on {fitted['images']:,} images that no "
            "training touched."
            if fitted
            else "What the card does not hold: on which images the probabilities were calibrated, if they were.",
            "ECE is the expected calibration error with 15 bins: how far, on average, the share that is right lies "
            "from the probability of the guess.",
        ),
        _temperature_table(tables, card=card, fitted=fitted),
    ]
    if diagram:
        parts.append(markdown.image(diagram, alt="Reliability: mean probability against the share that is right"))
    for name, table in tables.items():
        parts.append(markdown.folded(f"Reliability of {name}, in numbers", _reliability_table(table)))
    return [*parts, *_write_sure(report, card=card), *_write_coverage(tables)]


def write_quality(report: Evaluation) -> list[str]:
    """Accuracies by the quality of the picture."""
    tables = report.measures.attributes
    slicings: dict[str, list[str]] = {}
    for table in tables.values():
        for slicing, parts in table.slices.items():
            slicings.setdefault(slicing, [name for name, part in parts.items() if part.n])
    rows = []
    for slicing, names in slicings.items():
        for name in names:
            found = [table.slices.get(slicing, {}).get(name) for table in tables.values()]
            images = max(part.n for part in found if part)
            rows.append((f"{slicing}: {name}", f"{images:,}", *map(cells.accuracy, found)))
    if not rows:
        return []
    return [
        markdown.heading("By the quality of the picture"),
        markdown.paragraph(
            "Size is that of the chip in the original file; sharpness is the variance of its Laplacian and brightness "
            "its mean luma, both in quarters of these images."
        ),
        markdown.table(("", "images", *tables), rows),
    ]


def write_whole_way(report: Evaluation) -> list[str]:
    """After detection, beside the chips themselves."""
    way = report.whole_way
    if not way:
        return []
    rows = []
    for name, measured in (("found and cut again", way.found_again), ("the chips themselves", way.same_chips)):
        tables = measured.attributes.values()
        rows.append((name, *(cells.with_interval(of.accuracy, *of.accuracy_interval) for of in tables)))
    return [
        markdown.heading("From the photo to the answer"),
        markdown.paragraph(
            "Each chip was laid on a grey canvas of twice its size, turned by up to 15 degrees, found by the detector "
            f"and cut again: {numbers.percent(way.found)} of {way.images:,} were found, the rest fill or leave "
            "the frame. For those that were found:"
        ),
        markdown.table(("", *way.found_again.attributes), rows),
    ]


def write_other(report: Evaluation, *, card: ModelCard) -> list[str]:
    """The same model on another data set, shorter."""
    tables = report.measures.attributes
    name = cells.name_data(report)
    unseen = "UTKFace" in name and "UTKFace" not in card.trained_on
    rows = []
    for attribute, table in tables.items():
        told = cells.with_interval(table.accuracy, *table.accuracy_interval)
        recalls = {group: measured.recall for group, measured in table.groups.items()}
        rows.append(_other_row(cells.name_attribute(attribute, table), table, told=told, recalls=recalls))
        for taxonomy, of in (table.taxonomies or {}).items():
            if taxonomy != table.grouping:
                told = cells.accuracy(of.share)
                rows.append(_other_row(f"{attribute} ({taxonomy})", of, told=told, recalls=of.recall))
    return [
        markdown.heading(f"On {name}", level=3),
        markdown.paragraph(
            f"{report.measures.images:,} images ({cells.name_source(report.data.source)})"
            + ("; not named in what it was trained on, and for research only." if unseen else ".")
        ),
        markdown.table(("", "images", "accuracy", "mean recall", "recall of each group"), rows),
        *(markdown.paragraph(told) for of, table in tables.items() if (told := cells.tell_steps(of, table))),
    ]


def write_comparison(comparison: Comparison, *, card: ModelCard) -> list[str]:
    """Against another model, face by face."""
    rows = []
    for attribute, part in comparison.attributes.items():
        rows.append(_comparison_row(attribute, part.overall, p=part.overall.p))
        rows += [_comparison_row(f"… {of.group}", of, p=of.p_holm) for of in part.by[attribute]]
    sides = {side: of.name for side, of in comparison.sides.items()}
    other = sides["candidate"] if sides["production"] == card.name else sides["production"]
    names = list(sides.values()) if sides["production"] != sides["candidate"] else list(sides)
    return [
        markdown.heading(f"Against {other}"),
        markdown.paragraph(
            f"Both on the same {comparison.data.images:,} images "
            f"({cells.name_source(comparison.data.source)}). The difference is {markdown.escape(names[1])} minus "
            f"{markdown.escape(names[0])} in percentage points; p is McNemar's exact test, among the groups adjusted "
            "for their number (Holm)."
        ),
        markdown.table(("", "images", *names, "difference", "95 % interval", "p"), rows),
    ]


def _comparison_row(name: str, row: Paired, *, p: float) -> tuple[str, ...]:
    sides = (cells.share(row.production), cells.share(row.candidate))
    interval = numbers.points_interval(row.low, row.high)
    return name, f"{row.images:,}", *sides, numbers.points(row.difference), interval, numbers.p_value(p)


def _write_sure(report: Evaluation, *, card: ModelCard) -> list[str]:
    fitted = card.metrics.get("calibration", {})
    rows = []
    for attribute, by_taxonomy in report.measures.sure.items():
        for taxonomy, of in by_taxonomy.items():
            target = fitted.get(attribute, {}).get("targets", {}).get(taxonomy)
            right = cells.with_interval(of.accuracy_of_sure, of.low, of.high)
            rows.append((attribute, taxonomy, cells.share(target), f"{of.threshold:.2f}", cells.share(of.sure), right))
    if not rows:
        return []
    return [
        markdown.paragraph(
            'A prediction is "unsure" when its top probability is under the threshold.',
            "It is the lowest one at which the others reached the target accuracy on the calibration images."
            if fitted
            else "",
            "Measured here:",
        ),
        markdown.table(("attribute", "grouping", "target", "threshold", "sure", "accuracy of the sure"), rows),
    ]


def _write_coverage(tables: Mapping[str, AttributeMeasures]) -> list[str]:
    curves = {
        name: {point.share: point.accuracy for point in table.confidence.coverage}
        for name, table in tables.items()
        if table.confidence
    }
    rows = [
        (f"{share:.0%}".replace("%", " %"), *(cells.share(curve.get(share)) for curve in curves.values()))
        for share in COVERAGES
    ]
    return [
        markdown.paragraph("The accuracy when only the surest share of the faces gets an answer:"),
        markdown.table(("answered", *curves), rows),
    ]


def _temperature_table(tables: Mapping[str, AttributeMeasures], *, card: ModelCard, fitted: Mapping[str, Any]) -> str:
    before_after = ("before", "after") if fitted else ()
    rows = []
    for name, table in tables.items():
        errors = [fitted.get(name, {}).get(f"ece_{when}") for when in before_after]
        told = (card.temperatures.get(name, 1.0), *errors, table.ece)
        rows.append((name, *(numbers.decimal(value) for value in told)))
    return markdown.table(("", "temperature", *(f"ECE {when}" for when in before_after), "ECE here"), rows)


def _reliability_table(table: AttributeMeasures) -> str:
    rows = []
    for of in table.confidence.reliability if table.confidence else ():
        if of.n:
            edges = f"{cells.share(of.low)} to {cells.share(of.high)}"
            rows.append((edges, f"{of.n:,}", cells.share(of.confidence), cells.share(of.accuracy)))
    return markdown.table(("probability", "images", "mean probability", "right"), rows)


def _other_row(
    name: str, of: AttributeMeasures | Taxonomy, *, told: str, recalls: Mapping[str, Number]
) -> tuple[str, ...]:
    each = ", ".join(f"{group} {cells.share(share)}" for group, share in recalls.items())
    return name, f"{of.images:,}", told, cells.share(of.balanced_accuracy), each
