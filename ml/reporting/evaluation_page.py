"""The page of `ml.evaluate`: everything that it measured, from the report that it writes as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml import labels
from ml.reporting import attribute_section, html, numbers

SEEN = (
    "The model was trained on images of this set. These numbers say how well it remembers them, and nothing of how "
    "well it does on other pictures."
)
METHODS = (
    "Predictions and labels were first brought to the finest groups that both can be told in: probabilities are "
    "summed and scaled to 1, then the largest counts. Faces labelled with a group that is left out are not counted.",
    "Intervals are 95 % intervals of a share (Wilson). In a group of few faces several points of difference are noise.",
    "Recall is the share of the faces labelled so that are predicted so; precision the share of those predicted so "
    "that are labelled so; mean recall, or balanced accuracy, counts every group alike.",
    "The demographic parity difference is by how much the share of faces that are given a class differs between "
    "groups; right answers differ too where the groups do. The equalised odds difference asks the same among the faces "
    "labelled so, and among all others. Each class is held against the others, and the largest difference is told. "
    "Groups of fewer than 10 faces are passed over.",
    "The calibration error (ECE) is the mean distance between how sure the answers are and how often they are right, "
    "over 15 bins.",
)


def write_page(report: Mapping[str, Any], *, attributes: Sequence[str]) -> str:
    """`report` holds `name`, `sha256`, `data`, `measures` and, where it was measured, `whole_way`."""
    measured, source = report["measures"], report["data"]
    seen = [html.paragraph(SEEN)] if source["seen"] else []
    sections = [html.section("In short", *seen, *_in_short(measured, attributes=attributes))]
    sections += [
        attribute_section.write_attribute(name, measured[name], sure=measured["sure"].get(name, {}))
        for name in attributes
    ]
    if "whole_way" in report:
        sections.append(_whole_way(report["whole_way"], attributes=attributes))
    sections.append(html.section("How this was measured", *map(html.paragraph, METHODS), _sources(report)))
    return html.page(
        f"{report['name']} on {source['name']}",
        lead=f"How {report['name']} does on {measured['images']:,} faces, group by group. "
        "Labels and predictions are impressions of faces, not facts about people.",
        sections=sections,
    )


def _in_short(measured: Mapping[str, Any], *, attributes: Sequence[str]) -> list[html.Markup]:
    rows = [
        [
            _named(name, table),
            table["images"],
            numbers.percent(table["accuracy"]),
            numbers.interval(*table["accuracy_interval"]),
            numbers.percent(table["balanced_accuracy"]),
            numbers.percent(table.get("accuracy_of_surest_80_percent")),
            numbers.decimal(table.get("ece")),
        ]
        for name in attributes
        for table in [measured[name]]
    ]
    header = ("", "faces", "accuracy", "95 % interval", "mean recall", "among the 80 % surest", "calibration error")
    parts = [html.table(header, rows, caption="All faces")]
    parts += [html.paragraph(line) for name in attributes for line in _age(measured[name])]
    gaps = [
        [name if by == name else f"{name}, by {by}", *attribute_section.tell_gap(measured[name]["gaps"][by])]
        for name in attributes
        for by in dict.fromkeys((name, labels.BY))
        if "gap" in measured[name]["gaps"].get(by, {})
    ]
    if gaps:
        parts.append(
            html.table(
                ("", *attribute_section.GAP), gaps, caption="The groups that are told right least and most often"
            )
        )
    return parts


def _age(table: Mapping[str, Any]) -> list[str]:
    told = []
    if "within_one_bin" in table:
        told.append(
            f"Age within one bin: {numbers.percent(table['within_one_bin'])}; "
            f"on average {numbers.decimal(table['mean_bins_off'], digits=2)} bins off."
        )
    if "mean_absolute_error_years" in table:
        told.append(
            f"Age in years: {numbers.decimal(table['mean_absolute_error_years'], digits=1)} years off on average, "
            f"{abs(table['bias_years']):.1f} too {'high' if table['bias_years'] > 0 else 'low'} in the mean."
        )
    return told


def _whole_way(found: Mapping[str, Any], *, attributes: Sequence[str]) -> html.Section:
    rows = [
        [
            name,
            numbers.percent(found["found_again"][name]["accuracy"]),
            numbers.interval(*found["found_again"][name]["accuracy_interval"]),
            numbers.percent(found["same_chips"][name]["accuracy"]),
        ]
        for name in attributes
        if name in found["found_again"]
    ]
    return html.section(
        "From the photo to the answer",
        html.paragraph(
            "Each chip was laid on a grey canvas of twice its side, turned by up to 15 degrees, found by the detector "
            f"and cut again: {numbers.percent(found['found'])} of {found['images']:,} were found."
        ),
        html.table(
            ("", "found and cut again", "95 % interval", "the same faces' chips"),
            rows,
            caption="Accuracy of those found",
        ),
    )


def _sources(report: Mapping[str, Any]) -> html.Markup:
    pairs: list[tuple[str, html.Cell]] = [("Predictions", report["name"])]
    if report["sha256"]:
        pairs.append(("Its SHA-256", report["sha256"]))
    source = report["data"]
    pairs += [("Data set", source["source"]), ("Faces", source["images"]), ("Their SHA-256", source["sha256"])]
    measured = report["measures"]
    if measured["unpredicted"]:
        pairs.append(("Not predicted", measured["unpredicted"]))
    pairs += [(f"Left out, {reason}", count) for reason, count in measured["left_out"].items()]
    pairs += [
        (f"{attribute_section.entitle(name)} not measured", reason) for name, reason in measured["not_measured"].items()
    ]
    return html.facts(pairs)


def _named(name: str, table: Mapping[str, Any]) -> str:
    grouping = table["grouping"] or "own groups"
    return name if grouping == name else f"{name} ({grouping})"
