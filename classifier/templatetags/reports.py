"""How reports are drawn and told on the pages: by the same code as in the file that they are exported to."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from classifier.templatetags.facet import attribute_title
from ml.attributes import ATTRIBUTES
from ml.reporting import survey_bars, survey_page
from ml.surveying.report import Report, Table

register = template.Library()

CARD_ROWS = 3  # the largest shares that a card has room for


@register.simple_tag
def report_chart(table: Table, compact: bool = False) -> SafeString:
    return mark_safe(survey_page.write_chart(table, compact=compact))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_legend(table: Table) -> SafeString:
    return mark_safe(survey_page.write_legend(survey_bars.draw_chart(table)))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_numbers(table: Table) -> SafeString:
    return mark_safe(survey_page.write_numbers(table))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_body(report: Report, drawings: Mapping[str, str]) -> SafeString:
    """All of a report but its heading."""
    return mark_safe(survey_page.write_body(report, drawings=drawings))  # noqa: S308 - its text is escaped


@register.filter
def table_title(table: Table) -> str:
    """As elsewhere on the site: Perceived group, of crossed ones Race group and gender."""
    return attribute_title(table.name) if table.name in ATTRIBUTES else survey_page.entitle(table.name)


@register.filter
def basis_words(basis: str) -> str:
    """What shares are made from: counted labels, corrected labels, people's answers."""
    return survey_page.BASES[basis]


@register.filter
def head_table(tables: tuple[Table, ...]) -> Table | None:
    """The largest shares of the first attribute, for a card: no chart there has room for all."""
    if not tables:
        return None
    return survey_bars.shorten(tables[0], count=CARD_ROWS)


@register.filter
def told_share(share: float | None) -> str:
    return survey_bars.tell_share(share)


@register.filter
def told_label(label: str) -> str:
    return survey_bars.tell_label(label)


@register.filter
def told_interval(row: Any) -> str:
    return survey_bars.tell_interval(row)
