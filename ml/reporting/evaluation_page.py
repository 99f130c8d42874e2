"""The page of `ml.evaluate`: everything that it measured, from the report that it writes as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml.reporting import evaluation_text, figures, html, numbers

SEEN = (
    "The model was trained on images of this set. These numbers say how well it remembers them, and nothing of how "
    "well it does on other pictures."
)
LOWEST_CELLS = 12
NARROW_GROUPS = 7
FEW_FACES = 10  # a bin of fewer would be drawn as a spike that means nothing
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
SLICES = {
    "size": "Size: pixels of the file along the crop's side.",
    "sharpness": "Sharpness: the variance of the crop's Laplacian; its quarters are those of this set.",
    "brightness": "Brightness: the mean luma, 0 to 1, likewise in quarters.",
}


def write_page(report: Mapping[str, Any], *, attributes: Sequence[str]) -> str:
    """`report` holds `name`, `sha256`, `data`, `measures` and, where it was measured, `whole_way`."""
    measured, source = report["measures"], report["data"]
    seen = [html.paragraph(SEEN)] if source["seen"] else []
    sections = [html.section("In short", *seen, *_in_short(measured, attributes=attributes))]
    sections += [_attribute(name, measured[name], sure=measured["sure"].get(name, {})) for name in attributes]
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
        [name if by == name else f"{name}, by {by}", *_gap(measured[name]["gaps"][by])]
        for name in attributes
        for by in dict.fromkeys((name, "race"))
        if "gap" in measured[name]["gaps"].get(by, {})
    ]
    parts.append(html.table(("", *_GAP), gaps, caption="The groups that are told right least and most often"))
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


def _attribute(name: str, table: Mapping[str, Any], *, sure: Mapping[str, Any]) -> html.Section:
    parts: list[html.Markup | html.Section] = [*_counted(name, table), _groups(name, table)]
    drawn = [
        _figure(
            figures.confusion(table["confusion"], names=table["names"], percent=percent, title=title),
            caption=caption,
        )
        for percent, title, caption in (
            (True, f"{_title(name)}: where each label's faces go", "Per cent of each row."),
            (False, f"{_title(name)}: numbers of faces", "Rows are labels, columns predictions."),
        )
    ]
    # Side by side, the numbers of more groups would be too small to read.
    parts += [html.figures(*drawn)] if len(table["names"]) <= NARROW_GROUPS else drawn
    if "reliability" in table:
        parts.append(html.section("How sure, and how often right", *_confidence(name, table, sure=sure)))
    parts.append(html.section("Between groups", *_between_groups(name, table)))
    parts.append(html.section("By quality of the picture", *_slices(table)))
    if table.get("taxonomies"):
        parts.append(html.section("In other groupings", _taxonomies(table)))
    return html.section(_title(name), *parts)


def _counted(name: str, table: Mapping[str, Any]) -> list[html.Markup]:
    told = [f"{count:,} faces are not counted: {reason}." for reason, count in table["left_out"].items()]
    if table["unanswered"]:
        told.append(
            f"Of {table['unanswered']:,} faces only a group that is left out was predicted; they count as wrong."
        )
    if table["labels_only"]:
        told.append("Only labels were told, without probabilities, so calibration is not measured.")
    grouping = table["grouping"] or f"{', '.join(table['names'])}"
    if grouping != name:
        told.insert(0, f"Measured in the groups {grouping}.")
    return [html.paragraph(" ".join(told))] if told else []


def _groups(name: str, table: Mapping[str, Any]) -> html.Markup:
    rows = [
        [
            group,
            of["labelled"],
            numbers.percent(of["recall"]),
            numbers.interval(*of["recall_interval"]),
            of["predicted"],
            numbers.percent(of["precision"]),
            numbers.interval(*of["precision_interval"]),
        ]
        for group, of in table["groups"].items()
    ]
    header = (name, "labelled", "recall", "95 % interval", "predicted", "precision", "95 % interval")
    return html.table(header, rows, caption=f"{_title(name)}, group by group")


def _confidence(name: str, table: Mapping[str, Any], *, sure: Mapping[str, Any]) -> list[html.Markup]:
    bins, curve = table["reliability"], table["coverage"]
    reliability = figures.reliability(
        [part["confidence"] for part in bins],
        [part["accuracy"] if part["n"] >= FEW_FACES else None for part in bins],
        [part["n"] for part in bins],
        title=f"{_title(name)}: calibration error {numbers.decimal(table['ece'])}",
    )
    coverage = figures.coverage(
        [point["share"] for point in curve],
        [point["accuracy"] for point in curve],
        title=f"{_title(name)}: accuracy among the surest",
    )
    parts = [
        html.figures(
            _figure(reliability, caption=f"By how sure the answers are; without bins of fewer than {FEW_FACES} faces."),
            _figure(coverage, caption="Leaving the least sure unanswered leaves fewer errors."),
        )
    ]
    if sure:
        rows = [
            [
                taxonomy,
                numbers.decimal(of["threshold"], digits=2),
                of["images"],
                numbers.percent(of["sure"]),
                numbers.percent(of["accuracy_of_sure"]),
                numbers.interval(of["low"], of["high"]),
            ]
            for taxonomy, of in sure.items()
        ]
        header = ("grouping", "threshold", "faces", "sure", "right among the sure", "95 % interval")
        parts.append(html.table(header, rows, caption='With the thresholds under which the model is "unsure"'))
    return parts


def _between_groups(name: str, table: Mapping[str, Any]) -> list[html.Markup]:
    parts = []
    for by, of in table["parts"].items():
        if by == name:
            continue
        drawn = figures.bars(
            list(of),
            [part["accuracy"] for part in of.values()],
            [part["low"] for part in of.values()],
            [part["high"] for part in of.values()],
            title=f"{_title(name)} right, by {by} as labelled",
        )
        parts.append(_figure(drawn, caption="Lines are 95 % intervals."))
    markup = [html.figures(*parts)] if parts else []
    markup.append(_gaps(table))
    if "years_by" in table:
        markup.append(_years(table))
    lowest = evaluation_text.find_lowest_cells(table, count=LOWEST_CELLS)
    if lowest:
        caption = f"The intersections of at least {evaluation_text.MANY_FACES} faces with the lowest accuracy"
        markup.append(html.table(("", *_SHARE), [[told, *_share(cell)] for cell, told in lowest], caption=caption))
    for crossed, cells in table["intersections"].items():
        names = crossed.split(" x ")
        rows = [[*(cell[by] for by in names), *_share(cell)] for cell in cells]
        shown = html.table((*names, *_SHARE), rows, caption=f"{_title(name)} right, {crossed}")
        markup.append(html.folded(f"All of {crossed} ({len(cells)})", shown))
    return markup


def _gaps(table: Mapping[str, Any]) -> html.Markup:
    rows = []
    for by, gap in table["gaps"].items():
        if "gap" not in gap:
            continue
        differences = [gap.get(f"{name}_difference") for name in ("demographic_parity", "equalised_odds")]
        rows.append(
            [
                by,
                *_gap(gap),
                *(f"{found['value']:.2f} ({found['class']})" if found else numbers.NOTHING for found in differences),
            ]
        )
    header = ("groups by", *_GAP, "demographic parity difference", "equalised odds difference")
    return html.table(header, rows, caption="Gaps between groups, and the class that differs most")


def _years(table: Mapping[str, Any]) -> html.Markup:
    rows = [
        [f"{by}: {label}", of["n"], *(numbers.decimal(of[key], digits=1) for key in ("mean_absolute_error", "bias"))]
        for by, parts in table["years_by"].items()
        for label, of in parts.items()
        if of["n"]
    ]
    header = ("", "faces", "years off, mean", "predicted minus true, mean")
    return html.table(header, rows, caption="Age in years")


def _slices(table: Mapping[str, Any]) -> list[html.Markup]:
    rows = [
        [f"{name}: {part['slice']}", *_share(part)]
        for name, parts in table["slices"].items()
        for part in parts
        if part["n"]
    ]
    return [
        html.table(("", *_SHARE), rows, caption="Accuracy by the picture's quality"),
        html.paragraph(" ".join(told for name, told in SLICES.items() if name in table["slices"])),
    ]


def _taxonomies(table: Mapping[str, Any]) -> html.Markup:
    rows = [
        [
            name,
            of["images"],
            numbers.percent(of["accuracy"]),
            numbers.interval(of["low"], of["high"]),
            numbers.percent(of["balanced_accuracy"]),
            ", ".join(f"{group} {numbers.percent(recall)}" for group, recall in of["recall"].items()),
        ]
        for name, of in table["taxonomies"].items()
    ]
    header = ("grouping", "faces", "accuracy", "95 % interval", "mean recall", "recall of each group")
    return html.table(header, rows, caption="The same probabilities, summed")


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
    pairs += [(f"{_title(name)} not measured", reason) for name, reason in measured["not_measured"].items()]
    return html.facts(pairs)


_SHARE = ("faces", "accuracy", "95 % interval")
_GAP = ("lowest", "highest", "points")


def _share(part: Mapping[str, Any]) -> list[html.Cell]:
    return [part["n"], numbers.percent(part["accuracy"]), numbers.interval(part["low"], part["high"])]


def _gap(gap: Mapping[str, Any]) -> list[html.Cell]:
    ends = [f"{gap[end]} ({numbers.percent(gap[f'{end}_accuracy'])})" for end in ("worst", "best")]
    return [*ends, numbers.points(gap["gap"]).lstrip("+")]


def _figure(drawn: Any, *, caption: str) -> html.Markup:
    return html.figure(figures.as_png(drawn), alt=drawn.get_suptitle(), caption=caption)


def _named(name: str, table: Mapping[str, Any]) -> str:
    grouping = table["grouping"] or "own groups"
    return name if grouping == name else f"{name} ({grouping})"


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]
