"""The page of `ml.evaluate`: everything that it measured, from the report that it writes as JSON."""

from markupsafe import Markup

from ml import labels
from ml.measuring.tables import AttributeMeasures, Evaluation, Measures, WholeWay
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


def write_page(report: Evaluation) -> str:
    """The whole page."""
    measured, source = report.measures, report.data
    seen = [html.paragraph(SEEN)] if source.seen else []
    sections = [html.section("In short", *seen, *_in_short(measured))]
    sections += [
        attribute_section.write_attribute(name, table, sure=measured.sure.get(name, {}))
        for name, table in measured.attributes.items()
    ]
    if report.whole_way:
        sections.append(_whole_way(report.whole_way))
    sections.append(html.section("How this was measured", *map(html.paragraph, METHODS), _sources(report)))
    return html.page(
        f"{report.name} on {source.name}",
        lead=f"How {report.name} does on {measured.images:,} faces, group by group. "
        "Labels and predictions are impressions of faces, not facts about people.",
        sections=sections,
    )


def _in_short(measured: Measures) -> list[Markup]:
    rows: list[list[html.Cell]] = [
        [
            _named(name, table),
            table.images,
            numbers.percent(table.accuracy),
            numbers.interval(*table.accuracy_interval),
            numbers.percent(table.balanced_accuracy),
            numbers.percent(table.accuracy_of_surest),
            numbers.decimal(table.ece),
        ]
        for name, table in measured.attributes.items()
    ]
    header = ("", "faces", "accuracy", "95 % interval", "mean recall", "among the 80 % surest", "calibration error")
    parts = [html.table(header, rows, caption="All faces")]
    parts += [html.paragraph(line) for name, table in measured.attributes.items() for line in _steps(name, table)]
    gaps = [
        [name if by == name else f"{name}, by {by}", *attribute_section.tell_gap(gap)]
        for name, table in measured.attributes.items()
        for by in dict.fromkeys((name, labels.BY))
        if (gap := table.gap_by(by))
    ]
    if gaps:
        parts.append(
            html.table(
                ("", *attribute_section.GAP), gaps, caption="The groups that are told right least and most often"
            )
        )
    return parts


def _steps(name: str, table: AttributeMeasures) -> list[str]:
    told, title = [], attribute_section.entitle(name)
    if steps := table.steps:
        told.append(
            f"{title} within one bin: {numbers.percent(steps.within_one_bin)}; "
            f"on average {numbers.decimal(steps.mean_bins_off, digits=2)} bins off."
        )
    if (years := table.years) and years.bias_years is not None:
        told.append(
            f"{title} in years: {numbers.decimal(years.mean_absolute_error_years, digits=1)} years off on average, "
            f"{abs(years.bias_years):.1f} too {'high' if years.bias_years > 0 else 'low'} in the mean."
        )
    return told


def _whole_way(way: WholeWay) -> html.Section:
    rows: list[list[html.Cell]] = [
        [
            name,
            numbers.percent(again.accuracy),
            numbers.interval(*again.accuracy_interval),
            numbers.percent(way.same_chips.attributes[name].accuracy),
        ]
        for name, again in way.found_again.attributes.items()
    ]
    return html.section(
        "From the photo to the answer",
        html.paragraph(
            "Each chip was laid on a grey canvas of twice its side, turned by up to 15 degrees, found by the detector "
            f"and cut again: {numbers.percent(way.found)} of {way.images:,} were found."
        ),
        html.table(
            ("", "found and cut again", "95 % interval", "the same faces' chips"),
            rows,
            caption="Accuracy of those found",
        ),
    )


def _sources(report: Evaluation) -> Markup:
    pairs: list[tuple[str, html.Cell]] = [("Predictions", report.name)]
    if report.sha256:
        pairs.append(("Its SHA-256", report.sha256))
    source = report.data
    pairs += [("Data set", source.source), ("Faces", source.images), ("Their SHA-256", source.sha256)]
    measured = report.measures
    if measured.unpredicted:
        pairs.append(("Not predicted", measured.unpredicted))
    pairs += [(f"Left out, {reason}", count) for reason, count in measured.left_out.items()]
    pairs += [
        (f"{attribute_section.entitle(name)} not measured", reason) for name, reason in measured.not_measured.items()
    ]
    return html.facts(pairs)


def _named(name: str, table: AttributeMeasures) -> str:
    grouping = table.grouping or "own groups"
    return name if grouping == name else f"{name} ({grouping})"
