"""The page of `ml.evaluate`: everything that it measured, from the report that it writes as JSON."""

from markupsafe import Markup

from ml import labels
from ml.measuring.tables import AttributeMeasures, Evaluation, Measures, WholeWay
from ml.reporting import attribute_section, html, numbers, rendering

WORDS = attribute_section.WORDS


def write_page(report: Evaluation) -> str:
    """The whole page."""
    measured, source = report.measures, report.data
    seen = [html.paragraph(rendering.say(WORDS, "seen"))] if source.seen else []
    sections = [html.section("In short", *seen, *_in_short(measured))]
    sections += [
        attribute_section.write_attribute(name, table, sure=measured.sure.get(name, {}))
        for name, table in measured.attributes.items()
    ]
    if report.whole_way:
        sections.append(_whole_way(report.whole_way))
    methods = map(html.paragraph, rendering.say_each(WORDS, "methods"))
    sections.append(html.section("How this was measured", *methods, _sources(report)))
    title, lead = (rendering.say(WORDS, part, report) for part in ("title", "lead"))
    return html.page(title, lead=lead, sections=sections)


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
    for name, table in measured.attributes.items():
        parts += map(html.paragraph, rendering.say_each(WORDS, "steps", name, table))
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
        html.paragraph(rendering.say(WORDS, "whole_way", way)),
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
    pairs += [(f"{rendering.capital(name)} not measured", reason) for name, reason in measured.not_measured.items()]
    return html.facts(pairs)


def _named(name: str, table: AttributeMeasures) -> str:
    grouping = table.grouping or "own groups"
    return name if grouping == name else f"{name} ({grouping})"
