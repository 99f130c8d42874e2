"""What the page of `ml.evaluate` tells of one attribute: its groups, how sure it is, and the gaps between groups."""

from collections.abc import Mapping

from markupsafe import Markup
from matplotlib.figure import Figure

from ml.measuring.tables import AttributeMeasures, Confidence, Difference, Gap, Share, Sure, Years
from ml.reporting import evaluation_text, figures, html, numbers, rendering

LOWEST_CELLS = 12
NARROW_GROUPS = 7
FEW_FACES = 10  # a bin of fewer would be drawn as a spike that means nothing
WORDS = "evaluation.txt"
GAP = ("lowest", "highest", "points")
_SHARE = ("faces", "accuracy", "95 % interval")


def write_attribute(name: str, table: AttributeMeasures, *, sure: Mapping[str, Sure]) -> html.Section:
    """All of one attribute, from its table in a report and what it says of the sure."""
    parts: list[Markup | html.Section] = [*_counted(name, table), _groups(name, table)]
    drawn = [
        _figure(
            figures.confusion(table.confusion, names=table.names, percent=percent, title=title),
            caption=caption,
        )
        for percent, title, caption in (
            (True, f"{rendering.capital(name)}: where each label's faces go", "Per cent of each row."),
            (False, f"{rendering.capital(name)}: numbers of faces", "Rows are labels, columns predictions."),
        )
    ]
    # Side by side, the numbers of more groups would be too small to read.
    parts += [html.figures(*drawn)] if len(table.names) <= NARROW_GROUPS else drawn
    if table.confidence:
        told = _confidence(name, table.confidence, sure=sure)
        parts.append(html.section("How sure, and how often right", *told))
    if between := _between_groups(name, table):
        parts.append(html.section("Between groups", *between))
    parts.append(html.section("By quality of the picture", *_slices(table)))
    if table.taxonomies:
        parts.append(html.section("In other groupings", _taxonomies(table)))
    return html.section(rendering.capital(name), *parts)


def _counted(name: str, table: AttributeMeasures) -> list[Markup]:
    return [html.paragraph(told) for told in rendering.say_each(WORDS, "counted", name, table)]


def _groups(name: str, table: AttributeMeasures) -> Markup:
    rows: list[list[html.Cell]] = [
        [
            group,
            of.labelled,
            numbers.percent(of.recall),
            numbers.interval(*of.recall_interval),
            of.predicted,
            numbers.percent(of.precision),
            numbers.interval(*of.precision_interval),
        ]
        for group, of in table.groups.items()
    ]
    header = (name, "labelled", "recall", "95 % interval", "predicted", "precision", "95 % interval")
    return html.table(header, rows, caption=f"{rendering.capital(name)}, group by group")


def _confidence(name: str, confidence: Confidence, *, sure: Mapping[str, Sure]) -> list[Markup]:
    bins, curve = confidence.reliability, confidence.coverage
    reliability = figures.reliability(
        [part.confidence for part in bins],
        [part.accuracy if part.n >= FEW_FACES else None for part in bins],
        [part.n for part in bins],
        title=f"{rendering.capital(name)}: calibration error {numbers.decimal(confidence.ece)}",
    )
    coverage = figures.coverage(
        [point.share for point in curve],
        [point.accuracy for point in curve],
        title=f"{rendering.capital(name)}: accuracy among the surest",
    )
    parts = [
        html.figures(
            _figure(reliability, caption=rendering.say(WORDS, "reliability", FEW_FACES)),
            _figure(coverage, caption="Leaving the least sure unanswered leaves fewer errors."),
        )
    ]
    if sure:
        rows: list[list[html.Cell]] = [
            [
                taxonomy,
                "by label" if of.threshold is None else numbers.decimal(of.threshold, digits=2),
                of.images,
                numbers.percent(of.sure),
                numbers.percent(of.accuracy_of_sure),
                numbers.interval(of.low, of.high),
            ]
            for taxonomy, of in sure.items()
        ]
        header = ("grouping", "threshold", "faces", "sure", "right among the sure", "95 % interval")
        parts.append(html.table(header, rows, caption='With the thresholds under which the model is "unsure"'))
        parts += [_sure_labels(taxonomy, of) for taxonomy, of in sure.items() if of.by_label]
    return parts


def _sure_labels(taxonomy: str, sure: Sure) -> Markup:
    """Each label's own threshold with the precision over it, and how often its faces' sets hold it."""
    rows: list[list[html.Cell]] = [
        [
            label,
            "never" if of.threshold is None else numbers.decimal(of.threshold, digits=2),
            of.n,
            numbers.percent(of.accuracy),
            numbers.interval(of.low, of.high),
            numbers.percent(of.set_coverage),
        ]
        for label, of in sure.by_label.items()
    ]
    header = ("label", "sure from", "said so and sure", "right of those", "95 % interval", "labelled so: in the set")
    table = html.table(header, rows, caption=f"{taxonomy}, label by label")
    if sure.set_promise is None:
        return html.folded(f"{taxonomy}: label by label", table)
    told = html.paragraph(
        f"Sets hold the label of {numbers.percent(sure.set_coverage)} of the faces, of which "
        f"{numbers.percent(sure.set_promise, digits=0)} were promised, and "
        f"{numbers.decimal(sure.set_size, digits=2)} labels on average."
    )
    return html.folded(f"{taxonomy}: label by label, and sets", table, told)


def _between_groups(name: str, table: AttributeMeasures) -> list[Markup]:
    parts = []
    for by, of in table.parts.items():
        if by == name:
            continue
        drawn = figures.bars(
            list(of),
            [part.accuracy for part in of.values()],
            [part.low for part in of.values()],
            [part.high for part in of.values()],
            title=f"{rendering.capital(name)} right, by {by} as labelled",
        )
        parts.append(_figure(drawn, caption="Lines are 95 % intervals."))
    markup = [html.figures(*parts)] if parts else []
    markup += _gaps(table)
    if table.years:
        markup.append(_years(name, table.years))
    lowest = evaluation_text.find_lowest_cells(table, count=LOWEST_CELLS)
    if lowest:
        caption = rendering.say(WORDS, "lowest_cells", evaluation_text.MANY_FACES)
        markup.append(html.table(("", *_SHARE), [[cell.name, *_share(cell.share)] for cell in lowest], caption=caption))
    for crossed, cells in table.intersections.items():
        names = crossed.split(" x ")
        rows = [[*(cell.labels[by] for by in names), *_share(cell.share)] for cell in cells]
        shown = html.table((*names, *_SHARE), rows, caption=f"{rendering.capital(name)} right, {crossed}")
        markup.append(html.folded(f"All of {crossed} ({len(cells)})", shown))
    return markup


def _gaps(table: AttributeMeasures) -> list[Markup]:
    rows: list[list[html.Cell]] = []
    for by, parting in table.gaps.items():
        if not (gap := parting.gap):
            continue
        rows.append(
            [
                by,
                *tell_gap(gap),
                *map(_tell_difference, parting.differences),
            ]
        )
    header = ("groups by", *GAP, "demographic parity difference", "equalised odds difference")
    return [html.table(header, rows, caption="Gaps between groups, and the class that differs most")] if rows else []


def _years(name: str, years: Years) -> Markup:
    rows: list[list[html.Cell]] = [
        [
            f"{by}: {label}",
            of.n,
            *(numbers.decimal(value, digits=1) for value in (of.mean_absolute_error, of.bias)),
            *([] if years.inside is None else [numbers.percent(of.inside)]),
        ]
        for by, parts in years.by.items()
        for label, of in parts.items()
        if of.n
    ]
    ends = () if years.inside is None else ("between low and high",)
    header = ("", "faces", "years off, mean", "predicted minus true, mean", *ends)
    return html.table(header, rows, caption=f"{rendering.capital(name)} in years")


def _slices(table: AttributeMeasures) -> list[Markup]:
    rows: list[list[html.Cell]] = [
        [f"{name}: {told}", *_share(part)]
        for name, parts in table.slices.items()
        for told, part in parts.items()
        if part.n
    ]
    return [
        html.table(("", *_SHARE), rows, caption="Accuracy by the picture's quality"),
        html.paragraph(rendering.say(WORDS, "quality", table.slices)),
    ]


def _taxonomies(table: AttributeMeasures) -> Markup:
    rows: list[list[html.Cell]] = [
        [
            name,
            of.images,
            numbers.percent(of.accuracy),
            numbers.interval(of.low, of.high),
            numbers.percent(of.balanced_accuracy),
            ", ".join(f"{group} {numbers.percent(recall)}" for group, recall in of.recall.items()),
        ]
        for name, of in (table.taxonomies or {}).items()
    ]
    header = ("grouping", "faces", "accuracy", "95 % interval", "mean recall", "recall of each group")
    return html.table(header, rows, caption="The same probabilities, summed")


def _share(part: Share) -> list[html.Cell]:
    return [part.n, numbers.percent(part.accuracy), numbers.interval(*part.interval)]


def tell_gap(gap: Gap) -> list[html.Cell]:
    """A row under `GAP`: the groups that are told right least and most often, and by how much they differ."""
    ends = [f"{name} ({numbers.percent(share)})" for name, share in gap.ends]
    return [*ends, numbers.points(gap.gap).lstrip("+")]


def _tell_difference(found: Difference | None) -> str:
    return f"{found.value:.2f} ({found.of_class})" if found else numbers.NOTHING


def _figure(drawn: Figure, *, caption: str) -> Markup:
    return html.figure(figures.as_png(drawn), alt=drawn.get_suptitle(), caption=caption)
