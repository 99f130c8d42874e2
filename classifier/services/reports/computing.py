"""A report, computed: of a small collection at once, of a large one by a worker's job."""

import json
import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from django.db import transaction
from django.utils import timezone

from classifier.models import Collection, ComputedReport, Job
from classifier.models.reports import write_canonical
from classifier.services.reports import reading, totalled
from classifier.services.reports.questions import Question
from classifier.services.reports.reading import Progress
from ml.reporting import survey_json
from ml.shares.errors import BadReference, NoFaces, SharesError
from ml.surveying import against
from ml.surveying.computing import Request, compute_report
from ml.surveying.errors import BadReferenceFile, SurveyError
from ml.surveying.report import Report

logger = logging.getLogger("facet.reports")

READING_PART = 0.4  # of the time that a report takes, roughly
LONG_PARTS = (
    "crossings", "photos_with", "face_widths", "accuracy", "agreement", "quality", "plan", "comparisons",
    "groups", "methods",
)  # fmt: skip
TOLD_EVERY = 0.05  # of its way: a job tells how far it is so often


@dataclass(frozen=True)
class Computed:
    """The report as the values of its JSON, or `{"nothing": SENTENCE}`; `draw` is the key of the draw it rests on.

    That key is no part of the report: a copy tells it by name, and only those who see the draw are led to it.
    """

    values: dict[str, Any]
    draw: uuid.UUID | None = None


def answer_question(collection: Collection, *, question: Question, tell: Progress = lambda part: None) -> Computed:
    """The answer to a question as it is now."""
    try:
        if collection.is_aggregate_only:
            return Computed(survey_json.to_values(totalled.compute_report(collection, question=question)))
        found, report = _compute(collection, question=question, tell=tell)
    except (NoFaces, SharesError, SurveyError) as error:
        return Computed({"nothing": str(error)})
    return Computed(survey_json.to_values(report), found.draw)


def _compute(collection: Collection, *, question: Question, tell: Progress) -> tuple[reading.Found, Report]:
    found = reading.read_collection(collection, question=question, tell=lambda part: tell(READING_PART * part))
    attributes = found.survey.faces.classes
    taxonomy = question.taxonomy if "race" in attributes else None
    request = Request(taxonomy=taxonomy, tell=lambda part: tell(READING_PART + (1 - READING_PART) * part))
    known: dict[str, Any] = {"known": found.known, "reviewed": found.reviewed}
    reason = ""
    try:
        report = compute_report(
            found.survey, **known, request=_add_other_side(request, question, attributes=attributes)
        )
    except (_NotComparable, BadReference, BadReferenceFile) as error:
        reason = f"{str(error).rstrip('.')}."
        report = compute_report(found.survey, **known, request=request)
    not_compared = (f"Not compared: {reason}",) if reason else ()
    return found, replace(report, notes=(*_tell_limits(found), *not_compared, *report.notes))


class _NotComparable(Exception):
    """Why there is nothing to hold a collection against, in a sentence."""


def _add_other_side(request: Request, question: Question, *, attributes: Iterable[str]) -> Request:
    """The request with what the collection is held against. Raises _NotComparable."""
    if question.reference is not None:
        shares = {name: of for name, of in question.reference.shares.items() if name in set(attributes)}
        return replace(request, reference=against.Reference(question.reference.name, shares))
    if not question.other:
        return request
    other = Collection.objects.filter(uid=question.other, deleting_at=None).first()
    if other is None:
        raise _NotComparable("the other collection was deleted.")
    if other.is_aggregate_only:
        raise _NotComparable(f"{other.name} keeps only sums, which tell nothing of single faces.")
    asked = Question(taxonomy=question.taxonomy, narrowest_px=question.narrowest_px)
    try:
        second = reading.read_collection(other, question=asked)
    except NoFaces as error:
        raise _NotComparable(f"{other.name} has nobody to count. {error}") from None
    return replace(request, other=second.survey, other_known=second.known, other_reviewed=second.reviewed)


def _tell_limits(found: reading.Found) -> list[str]:
    """What is not in these numbers and would change them."""
    notes = []
    if found.waiting:
        photos = "One photo is" if found.waiting == 1 else f"{found.waiting:,} photos are"
        notes.append(f"{photos} not analysed yet, and not in these numbers.")
    if found.others:
        faces = "One face is" if found.others == 1 else f"{found.others:,} faces are"
        notes.append(
            f"{faces} left out, since another model version looked at them last: answers of two versions are not "
            f"mixed. “Run again” has all looked at by one."
        )
    if found.no_draw:
        notes.append(f"No answers of people count here. {found.no_draw}")
    return notes


def compute_row(row: ComputedReport, *, tell: Progress = lambda part: None) -> dict[str, Any]:
    """What is to be stored of a question's answer, as values of its row."""
    started = monotonic()
    collection = Collection.objects.get(pk=row.collection_id)
    other_revision = row.other.revision if row.other else None
    computed = answer_question(collection, question=Question.from_values(row.question), tell=tell)
    return {
        "content": write_canonical(computed.values),
        "summary": summarise(computed.values),
        "draw": computed.draw,
        "revision": collection.revision,
        "other_revision": other_revision,
        "computed_at": timezone.now(),
        "seconds": monotonic() - started,
        "progress": 1.0,
    }


def summarise(values: dict[str, Any]) -> dict[str, Any]:
    """What cards and the collection's page tell: the same JSON without its long parts."""
    if "nothing" in values:
        return values
    emptied = {name: type(of)() for name, of in values.items() if name in LONG_PARTS}
    return values | emptied


def do_job(job: Job, *, token: uuid.UUID) -> None:
    """Compute the reports that a job was asked for; stored together with its end, or not at all."""
    found = {row.pk: compute_row(row, tell=_tell_row(row)) for row in job.reports.select_related("other")}
    with transaction.atomic():
        if not Job.objects.finish(pk=job.pk, token=token):
            logger.warning("job %s was finished elsewhere; this report is dropped", job.uid)
            return
        for pk, values in found.items():
            ComputedReport.objects.filter(pk=pk).update(**values)


def _tell_row(row: ComputedReport) -> Progress:
    told = 0.0

    def tell(part: float) -> None:
        nonlocal told
        if part - told >= TOLD_EVERY:
            told = part
            ComputedReport.objects.filter(pk=row.pk).update(progress=part)

    return tell


def read_values(row: ComputedReport) -> dict[str, Any]:
    """The whole report of a row as `ml.reporting.survey_json` writes it; empty where none was computed yet."""
    values: dict[str, Any] = json.loads(row.content) if row.content else {}
    return values
