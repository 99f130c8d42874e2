"""How reports are drawn and told on the pages: by the same code as in the file that they are exported to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from classifier.models import PENDING, Collection
from classifier.services.reports import caching, reading
from classifier.services.reports.caching import Answer
from classifier.services.summaries import Summary
from classifier.templatetags.facet import attribute_title
from ml.attributes import ATTRIBUTES
from ml.reporting import survey_bars, survey_page
from ml.shares.result import REVIEWED
from ml.surveying.computing import FEW_FACES
from ml.surveying.report import Report, Table
from ml.surveying.words import tell_left_out

register = template.Library()

CARD_ROWS = 3  # the largest shares that a card has room for


@dataclass(frozen=True)
class Shown:
    """An answer as pages show it: `note` says in a sentence what is missing or old, `is_moving` that it will change.

    `limits` are sentences on how few faces these are, and on faces that are not among them.
    """

    state: str
    report: Report | None
    note: str
    is_current: bool
    is_moving: bool
    can_ask_again: bool
    progress: float
    shown: str
    is_empty: bool
    limits: tuple[str, ...] = ()


def show_answer(answer: Answer, *, collection: Collection, is_running: bool | None = None) -> Shown:
    """What a page tells of where a question stands; whether photos still wait is asked where it is not known."""
    if is_running is None:
        is_running = collection.photos.filter(state__in=PENDING, deleting_at=None).exists()
    state = answer.state if answer.state in ("computing", "failed") else ""
    return Shown(
        state=state,
        report=answer.report,
        note=_tell_note(answer, is_running=is_running),
        is_current=answer.is_current,
        is_moving=state == "computing" or is_running or not (answer.is_current or state == "failed"),
        can_ask_again=state == "failed",
        progress=answer.progress,
        shown=answer.shown,
        is_empty=answer.nothing == reading.NO_PHOTOS,
        limits=_tell_limits(answer.report) if answer.report else (),
    )


def show_card(answer: Answer | None, *, summary: Summary) -> Shown:
    """The same for a card of the list, which asks nothing more."""
    return show_answer(answer or Answer(""), collection=summary.collection, is_running=summary.counts.pending > 0)


def _tell_note(answer: Answer, *, is_running: bool) -> str:
    if answer.state == "failed":
        return answer.reason + (" These are the numbers from before." if answer.values else "")
    if answer.state == "computing":
        waiting = "" if answer.is_attended else " It waits until a worker runs."
        if answer.values:
            return f"From before the last changes; the new numbers are being computed.{waiting}"
        return f"The report is being computed.{waiting}"
    if answer.nothing:
        return answer.nothing
    if is_running:
        return "So far: photos are still being analysed." if answer.values else "The first shares come in a moment."
    if answer.values and not answer.is_current:
        return "From before the last changes."
    return "" if answer.values else "The shares are about to be computed."


def _tell_limits(report: Report) -> tuple[str, ...]:
    told = []
    if report.faces < FEW_FACES:
        told.append("So few faces say little: no share should be quoted.")
    faces = {reason: count for reason, count in report.left_out.items() if reason.startswith("faces ")}
    if faces:
        told.append(f"Not counted: {tell_left_out(faces)}.")
    return tuple(told)


@register.simple_tag(takes_context=True)
def report_summary(context: dict[str, Any], collection: Collection) -> Shown:
    """What is known of a collection without computing anything: one query."""
    answer = caching.read_summaries([collection], reader=context["user"]).get(collection.pk, Answer(""))
    counts = context.get("counts")
    return show_answer(answer, collection=collection, is_running=counts.pending > 0 if counts else None)


@register.simple_tag
def report_beside(part: Any) -> SafeString:
    return mark_safe(survey_page.write_beside(part))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_chart(table: Table, compact: bool = False, beside: Sequence[Table] = ()) -> SafeString:
    return mark_safe(survey_page.write_chart(table, compact=compact, beside=beside))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_legend(table: Table) -> SafeString:
    return mark_safe(survey_page.write_legend(survey_bars.draw_chart(table)))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_numbers(table: Table) -> SafeString:
    return mark_safe(survey_page.write_numbers(table))  # noqa: S308 - its text is escaped


@register.simple_tag
def report_body(report: Report, drawings: Mapping[str, str], mistakes: str = "") -> SafeString:
    """All of a report but its heading."""
    return mark_safe(  # noqa: S308 - its text is escaped
        survey_page.write_body(report, drawings=drawings, mistakes=mistakes)
    )


@register.filter
def report_sections(report: Report) -> list[tuple[str, str]]:
    return survey_page.list_sections(report)


@register.filter
def section_title(name: str) -> str:
    return f"{survey_page.entitle(name)}, as perceived"


@register.filter
def table_title(table: Table) -> str:
    """As elsewhere on the site: Perceived group, of crossed ones Race group and gender."""
    return attribute_title(table.name) if table.name in ATTRIBUTES else survey_page.entitle(table.name)


@register.filter
def basis_words(basis: str) -> str:
    """What shares are made from: counted labels, corrected labels, people's answers."""
    return survey_page.BASES[basis]


@register.filter
def said_names(report: Report) -> str:
    """The attributes whose shares people's answers make, as in a sentence."""
    said = [table.name for table in report.tables if table.estimator == REVIEWED]
    return " and ".join(survey_page.entitle(name).lower() for name in said)


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
