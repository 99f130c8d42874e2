"""The tables of a model card on trust: calibration, quality, the whole way, other data sets, another model."""

from collections.abc import Iterable, Mapping
from typing import Any

from ml.datasets.seen import NOT_KNOWN
from ml.measuring.comparison_tables import Comparison, Paired
from ml.measuring.tables import AttributeMeasures, Evaluation, Number, Range, SureLabel, Taxonomy, WholeWay
from ml.model.card import ModelCard
from ml.reporting import card_cells as cells
from ml.reporting import numbers
from ml.shares.evidence import CHIPS, PHOTOS

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)

Rows = list[tuple[str, ...]]


def with_probabilities(report: Evaluation) -> dict[str, AttributeMeasures]:
    """The attributes of which more than labels were told."""
    return {name: of for name, of in report.measures.attributes.items() if of.confidence}


def temperature_rows(tables: Mapping[str, AttributeMeasures], *, card: ModelCard, fitted: Mapping[str, Any]) -> Rows:
    """Temperatures and calibration errors; `fitted` is what the card holds of its calibration, if anything."""
    rows = []
    for name, table in tables.items():
        errors = [fitted.get(name, {}).get(f"ece_{when}") for when in (("before", "after") if fitted else ())]
        told = (card.temperatures.get(name, 1.0), *errors, table.ece)
        rows.append((name, *(numbers.decimal(value) for value in told)))
    return rows


def how_untouched(card: ModelCard) -> str:
    """How it is known that no training touched the images that a card was calibrated on: one of `seen.UNTOUCHED`.

    A card from before that was told has it, if at all, from its evidence of the same images.
    """
    fitted = card.metrics.get("calibration", {})
    is_same = card.evidence.get("data_sha256", "") == fitted.get("data_sha256")
    return str(fitted.get("untouched") or (card.evidence.get("untouched") if is_same else None) or NOT_KNOWN)


def reliability_rows(table: AttributeMeasures) -> Rows:
    """The bins of top probabilities that hold anything."""
    rows: Rows = []
    for of in table.confidence.reliability if table.confidence else ():
        if of.n:
            edges = f"{cells.share(of.low)} to {cells.share(of.high)}"
            rows.append((edges, f"{of.n:,}", cells.share(of.confidence), cells.share(of.accuracy)))
    return rows


def sure_rows(report: Evaluation, *, fitted: Mapping[str, Any]) -> Rows:
    """The thresholds of "unsure", by attribute and grouping, and the accuracy of the others."""
    rows: Rows = []
    for attribute, by_taxonomy in report.measures.sure.items():
        for taxonomy, of in by_taxonomy.items():
            target = fitted.get(attribute, {}).get("targets", {}).get(taxonomy)
            right = cells.with_interval(of.accuracy_of_sure, of.low, of.high)
            threshold = "by label" if of.threshold is None else f"{of.threshold:.2f}"
            rows.append((attribute, taxonomy, cells.share(target), threshold, cells.share(of.sure), right))
    return rows


def sure_label_tables(report: Evaluation, *, fitted: Mapping[str, Any]) -> list[tuple[str, str, Rows]]:
    """Attribute, grouping and its labels: from which probability each is sure, on what that rests, and what it brings.

    Only of groupings that have a threshold for each label.
    """
    tables = []
    for attribute, by_taxonomy in report.measures.sure.items():
        rests = fitted.get(attribute, {}).get("sure", {})
        for taxonomy, of in by_taxonomy.items():
            if of.by_label:
                rows = [
                    _sure_label_row(label, one, rests.get(taxonomy, {}).get(label, {}))
                    for label, one in of.by_label.items()
                ]
                tables.append((attribute, taxonomy, rows))
    return tables


def rule_of(fitted: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a label had to reach to be sure, as the calibration noted it; empty of an older one."""
    return next((of["rule"] for of in fitted.values() if isinstance(of, Mapping) and "rule" in of), {})


def never_sure(report: Evaluation) -> list[tuple[str, str]]:
    """Attribute with grouping, and the labels in it that are never sure, in words."""
    found = []
    for attribute, by_taxonomy in report.measures.sure.items():
        for taxonomy, of in by_taxonomy.items():
            if names := [label for label, one in of.by_label.items() if one.threshold is None]:
                found.append((attribute if taxonomy == attribute else f"{attribute} ({taxonomy})", ", ".join(names)))
    return found


def _sure_label_row(label: str, of: SureLabel, rests: Mapping[str, Any]) -> tuple[str, ...]:
    fitted = (
        f"{rests['faces']:,}" if "faces" in rests else numbers.NOTHING,
        cells.share(rests.get("precision")),
        cells.share(rests.get("bound")),
    )
    threshold = "never" if of.threshold is None else f"{of.threshold:.2f}"
    right = cells.with_interval(of.accuracy, of.low, of.high)
    return label, threshold, *fitted, f"{of.n:,}", right, cells.share(of.set_coverage)


def promise(report: Evaluation) -> str:
    """The coverage that the sets are fitted for, as 90 %."""
    told = [of.set_promise for by in report.measures.sure.values() for of in by.values() if of.set_promise]
    return numbers.percent(told[0], digits=0) if told else numbers.NOTHING


def set_rows(report: Evaluation, *, fitted: Mapping[str, Any]) -> Rows:
    """Of each attribute and grouping how often sets hold the label: cross-fitted in both ways, and measured here."""
    rows: Rows = []
    for attribute, by_taxonomy in report.measures.sure.items():
        judged = fitted.get(attribute, {}).get("cross_fitted", {})
        for taxonomy, of in by_taxonomy.items():
            if of.set_coverage is None:
                continue
            told: list[Number] = []
            for way in (CHIPS, PHOTOS):
                found = judged.get(way, {}).get("groupings", {}).get(taxonomy, {})
                told += [
                    found.get("set_coverage"),
                    _lowest(one["set_coverage"] for one in found.get("labels", {}).values()),
                ]
            told += [of.set_coverage, _lowest(one.set_coverage for one in of.by_label.values())]
            name = attribute if taxonomy == attribute else f"{attribute} ({taxonomy})"
            rows.append((name, *map(cells.share, told), numbers.decimal(of.set_size, digits=2)))
    return rows


def number_rows(attribute: str, *, fitted: Mapping[str, Any], here: Range | None) -> Rows:
    """How often the true number lies between low and high, and how far it is off: cross-fitted, and measured here."""
    rows: Rows = []
    judged = fitted.get(attribute, {}).get("cross_fitted", {})
    for way, words in ((CHIPS, "cross-fitted, chips"), (PHOTOS, "cross-fitted, photos")):
        if found := judged.get(way, {}).get("number"):
            shares = [cells.share(found[key]) for key in ("coverage", "coverage_of_bins")]
            lengths = [numbers.decimal(found[key], digits=1) for key in ("mean_error", "mean_error_of_bins", "width")]
            rows.append((words, *shares, *lengths))
    if here:
        bins = [share for share in here.by_bin.values() if share is not None]
        shares = [cells.share(here.coverage), cells.share(sum(bins) / len(bins) if bins else None)]
        rows.append(("here", *shares, numbers.NOTHING, numbers.NOTHING, numbers.decimal(here.width, digits=1)))
    return rows


def _lowest(shares: Iterable[Number]) -> Number:
    return min((share for share in shares if share is not None), default=None)


def coverage_rows(tables: Mapping[str, AttributeMeasures]) -> Rows:
    """The accuracy among the surest shares of the faces."""
    curves = [
        {point.share: point.accuracy for point in table.confidence.coverage}
        for table in tables.values()
        if table.confidence
    ]
    return [
        (numbers.percent(share, digits=0), *(cells.share(curve.get(share)) for curve in curves)) for share in COVERAGES
    ]


def quality_rows(report: Evaluation) -> Rows:
    """Accuracies by the quality of the picture."""
    tables = report.measures.attributes
    slicings: dict[str, list[str]] = {}
    for table in tables.values():
        for slicing, parts in table.slices.items():
            slicings.setdefault(slicing, [name for name, part in parts.items() if part.n])
    rows: Rows = []
    for slicing, names in slicings.items():
        for name in names:
            found = [table.slices.get(slicing, {}).get(name) for table in tables.values()]
            images = max(part.n for part in found if part)
            rows.append((f"{slicing}: {name}", f"{images:,}", *map(cells.accuracy, found)))
    return rows


def whole_way_rows(way: WholeWay) -> Rows:
    """After detection, beside the chips themselves."""
    return [
        (name, *(cells.with_interval(of.accuracy, *of.accuracy_interval) for of in measured.attributes.values()))
        for name, measured in (("found and cut again", way.found_again), ("the chips themselves", way.same_chips))
    ]


def other_rows(report: Evaluation) -> Rows:
    """The same model on another data set, shorter."""
    rows = []
    for attribute, table in report.measures.attributes.items():
        told = cells.with_interval(table.accuracy, *table.accuracy_interval)
        recalls = {group: measured.recall for group, measured in table.groups.items()}
        rows.append(_other_row(cells.name_attribute(attribute, table), table, told=told, recalls=recalls))
        for taxonomy, of in (table.taxonomies or {}).items():
            if taxonomy != table.grouping:
                told = cells.accuracy(of.share)
                rows.append(_other_row(f"{attribute} ({taxonomy})", of, told=told, recalls=of.recall))
    return rows


def comparison_rows(comparison: Comparison) -> Rows:
    """Face by face against another model: each attribute, and its groups."""
    rows = []
    for attribute, part in comparison.attributes.items():
        rows.append(_comparison_row(attribute, part.overall, p=part.overall.p))
        rows += [_comparison_row(f"… {of.group}", of, p=of.p_holm) for of in part.by[attribute]]
    return rows


def name_sides(comparison: Comparison) -> list[str]:
    """Production and candidate by their names, where these differ."""
    names = [side.name for side in comparison.sides.values()]
    return names if names[0] != names[1] else list(comparison.sides)


def find_other(comparison: Comparison, *, card: ModelCard) -> str:
    """The name of what this model is compared with."""
    is_production = comparison.production.name == card.name
    return comparison.candidate.name if is_production else comparison.production.name


def _comparison_row(name: str, row: Paired, *, p: float) -> tuple[str, ...]:
    sides = (cells.share(row.production), cells.share(row.candidate))
    interval = numbers.points_interval(row.low, row.high)
    return name, f"{row.images:,}", *sides, numbers.points(row.difference), interval, numbers.p_value(p)


def _other_row(
    name: str, of: AttributeMeasures | Taxonomy, *, told: str, recalls: Mapping[str, Number]
) -> tuple[str, ...]:
    each = ", ".join(f"{group} {cells.share(share)}" for group, share in recalls.items())
    return name, f"{of.images:,}", told, cells.share(of.balanced_accuracy), each
