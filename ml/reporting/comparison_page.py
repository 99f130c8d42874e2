"""The page of `ml.compare`, and its lines for the terminal, from the report that it writes as JSON."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ml import labels
from ml.measuring.comparison_tables import SIDES, AttributeComparison, Comparison, Paired, Sameness
from ml.measuring.same_answers import SMALLEST_GROUP
from ml.reporting import figures, html, numbers, rendering

SIGNIFICANT = 0.05  # a p-value under it counts as a difference
HEADER = ("images", "production", "candidate", "difference", "95 % interval", "only production right",
          "only candidate right", "p")  # fmt: skip
WORDS = "comparison.txt"


def write_page(
    report: Comparison, *, thumbnails: Mapping[str, Sequence[html.Thumbnail]], apart: Mapping[str, int]
) -> str:
    """`apart` is per attribute the number of faces the sides put in different groups, `thumbnails` some of them."""
    seen = map(html.paragraph, rendering.say_each(WORDS, "seen", report.sides))
    sections = [html.section("In short", *seen, *_summary_tables(report), *map(html.paragraph, conclude(report)))]
    for attribute, part in report.attributes.items():
        sections.append(
            html.section(
                rendering.capital(attribute),
                html.paragraph(rendering.say(WORDS, "pairs", part, labels.TAXONOMIES)),
                _difference_figure(attribute, part),
                *_group_tables(attribute, part),
                _faces(shown=thumbnails.get(attribute, ()), count=apart.get(attribute, 0)),
            )
        )
    methods = map(html.paragraph, rendering.say_each(WORDS, "methods"))
    sections.append(html.section("How this was measured", *methods, _sources(report)))
    title, lead = (rendering.say(WORDS, part, report) for part in ("title", "lead"))
    return html.page(title, lead=lead, sections=sections)


def conclude(report: Comparison) -> list[str]:
    """A sentence an attribute, and one for the groups that it names."""
    return [
        rendering.say(WORDS, "conclusion", attribute, part, SIGNIFICANT)
        for attribute, part in report.attributes.items()
    ]


def summarise(report: Comparison) -> str:
    """The report for the terminal: a line an attribute and a line a group."""
    lines = [f"{'':26} {'images':>7} {'production':>11} {'candidate':>11} {'difference':>11}  95 % interval     p"]
    for attribute, part in report.attributes.items():
        lines.append(_line(attribute, part.overall, p=part.overall.p))
        lines += [_line(f"  {row.group}", row, p=row.p_holm) for row in part.by[attribute]]
    left = rendering.say_each(WORDS, "left_out", report.not_compared)
    left += [f"{count:,} images left out: {reason}" for reason, count in report.data.left_out.items()]
    return "\n".join(
        [*lines, "(p of McNemar's exact test, within groups adjusted by Holm)", "", *conclude(report), *left]
    )


def tell_same_answers(checked: Mapping[str, Sameness]) -> list[str]:
    """Whether the candidate may take production's place, a line an attribute."""
    return [rendering.say(WORDS, "same_answers", name, found, SMALLEST_GROUP) for name, found in checked.items()]


def _line(name: str, row: Paired, *, p: float) -> str:
    sides = "".join(f" {numbers.percent(row.of(side)):>11}" for side in SIDES)
    interval = numbers.points_interval(row.low, row.high)
    difference = numbers.points(row.difference)
    return f"{name:26} {row.images:7,}{sides} {difference:>11}  {interval:16}  {numbers.p_value(p)}"


def _summary_tables(report: Comparison) -> list[Markup]:
    parts = report.attributes.items()
    accuracy = html.table(
        ("attribute", *HEADER),
        [[name, *_cells(part.overall), numbers.p_value(part.overall.p)] for name, part in parts],
        caption="All faces. Differences in percentage points, candidate minus production",
    )
    more = [
        [
            name,
            *(numbers.percent(part.balanced_accuracy[side]) for side in SIDES),
            *(numbers.decimal(part.ece[side]) for side in SIDES),
            numbers.percent(part.agreement.same),
        ]
        for name, part in parts
    ]
    header = (
        "attribute",
        "mean recall, production",
        "candidate",
        "calibration error, production",
        "candidate",
        "agreement",
    )
    caption = (
        "Mean recall of the groups (balanced accuracy), expected calibration error (ECE), how often both say the same"
    )
    return [accuracy, html.table(header, more, caption=caption)]


def _group_tables(attribute: str, part: AttributeComparison) -> list[Markup]:
    """The attribute's own groups and those of `labels.BY` at once, others when asked for."""
    shown, hidden = [], []
    for by, rows in part.by.items():
        table = html.table(
            (by, *HEADER, "p (Holm)"),
            [[row.group, *_cells(row), numbers.p_value(row.p), numbers.p_value(row.p_holm)] for row in rows],
            caption=rendering.say(WORDS, "by_group", attribute, by),
        )
        if by in (attribute, labels.BY):
            shown.append(table)
        else:
            hidden.append(html.folded(f"Show by {by}", table))
    return [*shown, *hidden]


def _difference_figure(attribute: str, part: AttributeComparison) -> Markup:
    rows: dict[str, Paired] = {"all": part.overall, **{row.group: row for row in part.by[attribute]}}
    drawn = figures.differences(
        list(rows),
        [row.difference for row in rows.values()],
        [row.low for row in rows.values()],
        [row.high for row in rows.values()],
        title=f"{rendering.capital(attribute)}: candidate minus production",
    )
    return html.figure(
        figures.as_png(drawn),
        alt=rendering.say(WORDS, "differences", rows),
        caption="Right of the line the candidate is right more often. Bars are 95 % intervals.",
    )


def _faces(*, shown: Sequence[html.Thumbnail], count: int) -> html.Section:
    told = html.paragraph(rendering.say(WORDS, "told_apart", count, len(shown)))
    return html.section("Where they differ", told, *([html.thumbnails(shown)] if count and shown else []))


def _sources(report: Comparison) -> Markup:
    pairs: list[tuple[str, html.Cell]] = []
    for side, of in report.sides.items():
        pairs.append((side.capitalize(), of.name))
        if of.sha256:
            pairs.append(("SHA-256", of.sha256))
    found = report.data
    pairs += [(f"Not compared: {attribute}", reason) for attribute, reason in report.not_compared.items()]
    pairs += [(f"Left out, {reason}", count) for reason, count in found.left_out.items()]
    return html.facts([*pairs, ("Data set", found.source), ("Faces", found.images), ("SHA-256", found.sha256)])


def _cells(row: Paired) -> list[html.Cell]:
    return [
        row.images,
        numbers.percent(row.production),
        numbers.percent(row.candidate),
        numbers.points(row.difference),
        numbers.points_interval(row.low, row.high),
        row.production_only,
        row.candidate_only,
    ]
