"""The page of `ml.compare`, and its lines for the terminal, from the report that it writes as JSON."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ml import labels
from ml.measuring.comparison_tables import SIDES, AttributeComparison, Comparison, Paired, Sameness
from ml.measuring.same_answers import SMALLEST_GROUP
from ml.reporting import figures, html, numbers

SURE = 0.05  # a p-value under it counts as a difference
HEADER = ("images", "production", "candidate", "difference", "95 % interval", "only production right",
          "only candidate right", "p")  # fmt: skip
METHODS = (
    "Both sides saw the same faces, so they are compared face by face. The difference is candidate minus production "
    "in percentage points, with the 95 % interval of Bonett and Price (2012) for paired shares. p is McNemar's exact "
    "test: how likely so uneven a split of the faces that only one side has right is, if both were equally good.",
    "Where a table tests several groups at once, one of twenty would seem to differ by chance; p (Holm) is adjusted "
    "for that. Within a group of few images, a difference of several points is noise.",
    "Predictions and labels were first brought to the finest groups that both sides and the labels can be told in: "
    "probabilities are summed and scaled, then the largest counts.",
)


def write_page(
    report: Comparison, *, thumbnails: Mapping[str, Sequence[html.Thumbnail]], apart: Mapping[str, int]
) -> str:
    """`apart` is per attribute the number of faces the sides put in different groups, `thumbnails` some of them."""
    names = [report.sides[side].name for side in SIDES]
    seen = map(html.paragraph, _tell_seen(report))
    sections = [html.section("In short", *seen, *_summary_tables(report), *map(html.paragraph, conclude(report)))]
    for attribute, part in report.attributes.items():
        sections.append(
            html.section(
                _title(attribute),
                html.paragraph(describe_pairs(part)),
                _difference_figure(attribute, part),
                *_group_tables(attribute, part),
                _faces(attribute, shown=thumbnails.get(attribute, ()), count=apart.get(attribute, 0)),
            )
        )
    sections.append(html.section("How this was measured", *map(html.paragraph, METHODS), _sources(report)))
    return html.page(
        f"{names[0]} against {names[1]}" if names[0] != names[1] else f"Production against candidate: {names[0]}",
        lead=f"Production {names[0]} and candidate {names[1]} on the same {report.data.images:,} faces. "
        "Labels and predictions are impressions of faces, not facts about people.",
        sections=sections,
    )


def conclude(report: Comparison) -> list[str]:
    """A sentence an attribute, and one for the groups that it names."""
    return [_conclude(attribute, part) for attribute, part in report.attributes.items()]


def _conclude(attribute: str, part: AttributeComparison) -> str:
    overall = part.overall
    told = f"{numbers.points_interval(overall.low, overall.high)}, {_p(overall.p)}"
    if overall.p < SURE:
        more, least = SIDES if overall.difference < 0 else SIDES[::-1]
        by = numbers.points(abs(overall.difference)).lstrip("+")
        first = f"{_title(attribute)}: {more} is right {by} points more often than {least} ({told})."
    else:
        first = f"{_title(attribute)}: {part.images:,} faces show no clear difference of accuracy ({told})."
    changes: dict[bool, list[str]] = {True: [], False: []}
    for row in part.by[attribute]:
        if row.p_holm < SURE:
            changes[row.difference > 0].append(f"{row.group} ({numbers.points(row.difference)})")
    if changes[True]:
        first += f" The candidate finds more often: {', '.join(changes[True])}."
    if changes[False]:
        first += f" The candidate finds less often: {', '.join(changes[False])}."
    return first


def _tell_seen(report: Comparison) -> list[str]:
    return [
        f"The {side} model was trained on images of this set and remembers them: the comparison says nothing of other "
        "pictures."
        for side, of in report.sides.items()
        if of.seen
    ]


def describe_pairs(part: AttributeComparison) -> str:
    """How often the sides agree, and what could not be compared."""
    same, both, neither = (numbers.percent(share) for share in vars(part.agreement).values())
    told = f"Both say the same of {same} of {part.images:,} faces; both are right for {both} and wrong for {neither}."
    worst = part.worst_group
    told += " The group found least often: " + "; ".join(
        f"{side} {worst[side].group}, {numbers.percent(worst[side].share)} of {worst[side].images:,}" for side in SIDES
    )
    told += "."
    if part.taxonomy in labels.TAXONOMIES:
        told += f" Groups: {part.taxonomy}."
    if part.not_compared:
        told += f" {part.not_compared:,} labelled faces are left out, one side says nothing of them."
    return told


def summarise(report: Comparison) -> str:
    """The report for the terminal: a line an attribute and a line a group."""
    lines = [f"{'':26} {'images':>7} {'production':>11} {'candidate':>11} {'difference':>11}  95 % interval     p"]
    for attribute, part in report.attributes.items():
        lines.append(_line(attribute, part.overall, p=part.overall.p))
        lines += [_line(f"  {row.group}", row, p=row.p_holm) for row in part.by[attribute]]
    left = [f"{_title(attribute)} is not compared: {reason}." for attribute, reason in report.not_compared.items()]
    return "\n".join(
        [*lines, "(p of McNemar's exact test, within groups adjusted by Holm)", "", *conclude(report), *left]
    )


def tell_same_answers(checked: Mapping[str, Sameness]) -> list[str]:
    """Whether the candidate may take production's place, a line an attribute."""
    lines = []
    for attribute, found in checked.items():
        verdict = "the same answers" if found.same else "NOT the same answers"
        groups = f"no group has {SMALLEST_GROUP} images"
        if loss := found.largest_loss:
            groups = f"{loss.group} (by {loss.by}) loses most: {loss.faces} of {loss.images:,} faces"
            groups += f", {numbers.points(-loss.share, digits=2)} points"
        lines.append(f"{_title(attribute)}: {verdict}; {numbers.percent(found.agreement, digits=2)} agree, {groups}.")
    return lines


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
        found = "found" if by == attribute else "right"
        table = html.table(
            (by, *HEADER, "p (Holm)"),
            [[row.group, *_cells(row), numbers.p_value(row.p), numbers.p_value(row.p_holm)] for row in rows],
            caption=f"{_title(attribute)} {found}, by {by} as labelled",
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
        title=f"{_title(attribute)}: candidate minus production",
    )
    told = ", ".join(f"{group} {numbers.points(row.difference)}" for group, row in rows.items())
    return html.figure(
        figures.as_png(drawn),
        alt=f"Differences in percentage points: {told}",
        caption="Right of the line the candidate is right more often. Bars are 95 % intervals.",
    )


def _faces(attribute: str, *, shown: Sequence[html.Thumbnail], count: int) -> html.Section:
    if not count:
        return html.section("Where they differ", html.paragraph("Both sides say the same of every face."))
    told = f"{count:,} faces are told differently."
    if shown:
        told += f" Here are {len(shown)}, first those of which both sides are surest."
    return html.section("Where they differ", html.paragraph(told), *([html.thumbnails(shown)] if shown else []))


def _sources(report: Comparison) -> Markup:
    pairs: list[tuple[str, html.Cell]] = []
    for side, of in report.sides.items():
        pairs.append((side.capitalize(), of.name))
        if of.sha256:
            pairs.append(("SHA-256", of.sha256))
    found = report.data
    pairs += [(f"Not compared: {attribute}", reason) for attribute, reason in report.not_compared.items()]
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


def _title(attribute: str) -> str:
    return attribute[:1].upper() + attribute[1:]


def _p(value: float) -> str:
    told = numbers.p_value(value)
    return f"p {told if told.startswith('<') else f'= {told}'}".replace(" ", "\N{NO-BREAK SPACE}")
