"""The answer to a question about a collection: found, computed at once where that is quick, else left to a worker."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from classifier.models import PENDING, Collection, ComputedReport, Job, Photo, Review, State, User, WorkerHeartbeat
from classifier.running import hints
from classifier.services.reports import computing, reading
from classifier.services.reports.questions import Question
from classifier.services.reviews import blinding
from ml.reporting import survey_json
from ml.surveying.report import Report

AT_ONCE_FACES = 2_000  # about a second; more are left to a worker
AT_ONCE_REPORTS = 2  # in one web process: who comes while so many are computed is left to a worker, not kept waiting
# What changes all the time, as while photos are analysed or somebody reviews, is computed anew no sooner than this many
# times as long as it took, so that reports take a tenth of the time at most.
RESTS, SHORTEST_REST_SECONDS = 10, 4.0
REVIEWS_SECONDS = 60  # so long after an answer the next one is still expected
MOST_WAITING = 20  # jobs of one person: who asks for more is served when some of them are done
KEPT_QUESTIONS = 40  # of a collection: those not asked for longest go
REASONS: dict[str, str] = {
    Job.Code.CRASHED: "The report could not be computed: something in Facet broke. Photos and results are safe.",
    Job.Code.TIMED_OUT: "The report took too long, so the worker gave up. Fewer photos, by a filter, may do.",
    Job.Code.WORKER_LOST: "The worker stopped again and again while it computed this report.",
    Job.Code.DISK_FULL: "The disk of this site is full, so the report could not be stored.",
}


_at_once = BoundedSemaphore(AT_ONCE_REPORTS)


@dataclass(frozen=True)
class Answer:
    """Where a question stands: `state` is done, computing or failed; empty where nobody asked yet.

    `values` are the JSON of the last report, which is `is_current` or of before the last changes; or `nothing`, in a
    sentence, where there is nothing to tell. `shown` names what is there, for pages that ask whether it is another.
    `draw` is the key of the draw that its answers of people come from, which not every reader of it may see; from one
    who is still to answer there the values `are_withheld`, and `nothing` says why.
    """

    state: str
    values: dict[str, Any] | None = None
    nothing: str = ""
    is_current: bool = False
    progress: float = 0.0
    reason: str = ""
    is_attended: bool = True
    shown: str = ""
    draw: UUID | None = None
    are_withheld: bool = False

    @property
    def report(self) -> Report | None:
        """What the stored values tell, read back; None where nothing was computed yet."""
        return survey_json.from_values(self.values) if self.values else None


def read_summaries(collections: Iterable[Collection], *, reader: User) -> dict[int, Answer]:
    """What the collections' own reports tell a reader, by primary key: nothing computed. Missing: never asked.

    One query, and one more where some rest on what people said about collections of others.
    """
    asked = {collection.pk: (collection, reading.default_question(collection).key) for collection in collections}
    rows = ComputedReport.objects.filter(collection__in=asked, key__in={key for _, key in asked.values()})
    found = {}
    for row in rows.select_related("job").defer("content"):
        collection, key = asked[row.collection_id]
        if row.key == key and (row.is_computed or row.job):
            found[row.collection_id] = _answer(row, collection=collection, values=row.summary)
    others = (answer.draw for key, answer in found.items() if asked[key][0].owner_id != reader.pk and answer.draw)
    blind = blinding.list_blind(others, reader=reader)
    return {key: _withhold(answer) if answer.draw in blind else answer for key, answer in found.items()}


def read_answer(collection: Collection, *, question: Question, user: User, is_summary: bool = False) -> Answer:
    """The answer, and what has to be done for a newer one: computed here, or a job asked for in the user's name."""
    row = _find_row(collection, question=question)
    if not _is_current(row, collection=collection) and not _rests(row, collection=collection):
        if row.job and row.job.state in PENDING:
            pass
        elif _is_small(row, collection=collection) and _at_once.acquire(blocking=False):
            try:
                row = _compute_here(row)
            finally:
                _at_once.release()
        elif not (row.job and row.job.state == State.FAILED and row.job_revision == collection.revision):
            row = _ask_worker(row, user=user, revision=collection.revision)
    values = row.summary if is_summary else computing.read_values(row)
    answer = _answer(row, collection=collection, values=values)
    return _withhold(answer) if _is_blind(row, collection=collection, reader=user) else answer


def _is_blind(row: ComputedReport, *, collection: Collection, reader: User) -> bool:
    """Of the collection it is compared with, too."""
    if row.draw and collection.owner_id != reader.pk and blinding.list_blind([row.draw], reader=reader):
        return True
    return bool(row.other and row.other.owner_id != reader.pk and blinding.is_blind(row.other, reader=reader))


def _withhold(answer: Answer) -> Answer:
    shown = f"{answer.shown}-withheld"
    return replace(answer, values=None, nothing=blinding.StillBlind.sentence, shown=shown, are_withheld=True)


def ask_again(collection: Collection, *, question: Question, user: User) -> None:
    """A report that failed is tried once more."""
    row = _find_row(collection, question=question)
    if row.job and row.job.state == State.FAILED:
        _ask_worker(row, user=user, revision=collection.revision)


def _find_row(collection: Collection, *, question: Question) -> ComputedReport:
    found = ComputedReport.objects.select_related("job", "other")
    key = question.key
    row = found.filter(collection=collection, key=key).first()
    if row is None:
        other = Collection.objects.filter(uid=question.other).first() if question.other else None
        defaults = {"question": question.to_values(), "other": other}
        row, _ = found.get_or_create(collection=collection, key=key, defaults=defaults)
        old = ComputedReport.objects.filter(collection=collection).order_by("-used_at")
        gone = list(old.values_list("pk", flat=True)[KEPT_QUESTIONS:])
        ComputedReport.objects.filter(pk__in=gone).exclude(job__state__in=PENDING).delete()
    elif timezone.now() - row.used_at > timedelta(hours=1):
        ComputedReport.objects.filter(pk=row.pk).update(used_at=timezone.now())
    return row


def _is_current(row: ComputedReport, *, collection: Collection) -> bool:
    if not row.is_computed or row.revision != collection.revision:
        return False
    return row.other is None or row.other_revision == row.other.revision


def _sides(row: ComputedReport, *, collection: Collection) -> list[Collection]:
    """The collection, and the one that it is held against: both are read."""
    return [collection, row.other] if row.other else [collection]


def _is_small(row: ComputedReport, *, collection: Collection) -> bool:
    return sum(map(reading.count_faces, _sides(row, collection=collection))) <= AT_ONCE_FACES


def _rests(row: ComputedReport, *, collection: Collection) -> bool:
    """Whether it was computed so lately that it stands a while, whatever changed."""
    if row.computed_at is None:
        return False
    now = timezone.now()
    if now - row.computed_at >= timedelta(seconds=max(SHORTEST_REST_SECONDS, RESTS * row.seconds)):
        return False
    sides = _sides(row, collection=collection)
    if Photo.objects.filter(collection__in=sides, state__in=PENDING, deleting_at=None).exists():
        return True
    lately = now - timedelta(seconds=REVIEWS_SECONDS)
    # What a few answers change is computed at once where that takes no time.
    is_slow = row.seconds >= SHORTEST_REST_SECONDS
    return is_slow and Review.objects.filter(draw__collection__in=sides, at__gte=lately).exists()


def _compute_here(row: ComputedReport) -> ComputedReport:
    values = computing.compute_row(row)
    ComputedReport.objects.filter(pk=row.pk).update(**values, job=None)
    for name, value in values.items():
        setattr(row, name, value)
    row.job = None
    return row


def _ask_worker(row: ComputedReport, *, user: User, revision: int) -> ComputedReport:
    waiting = Job.objects.filter(owner=user, kind=Job.Kind.REPORT, state__in=PENDING)
    if waiting.count() >= MOST_WAITING:
        return row
    with transaction.atomic():
        # Of two who ask at once the second finds the job of the first.
        held = (
            ComputedReport.objects.select_for_update(of=("self",), no_key=True)
            .select_related("job", "other")
            .filter(pk=row.pk)
            .first()
        )
        if held is None:  # forgotten since, for questions that were asked later
            return row
        if held.job and held.job.state in PENDING:
            return held
        held.job = Job.objects.create(owner=user, kind=Job.Kind.REPORT, turn=Job.objects.next_turn(user.pk))
        held.job_revision, held.progress = revision, 0.0
        held.save(update_fields=["job", "job_revision", "progress"])
        transaction.on_commit(hints.wake_workers)
    return held


def _answer(row: ComputedReport, *, collection: Collection, values: dict[str, Any]) -> Answer:
    nothing = values.get("nothing", "")
    state, reason, attended = ("done" if row.is_computed else ""), "", True
    if row.job and row.job.state in PENDING:
        state = "computing"
        attended = WorkerHeartbeat.objects.live().exists()
    elif row.job and row.job.state == State.FAILED:
        state, reason = "failed", REASONS.get(row.job.code, "No reason is known.")
    return Answer(
        state=state,
        values=values if values and not nothing else None,
        nothing=nothing,
        is_current=_is_current(row, collection=collection),
        progress=row.progress,
        reason=reason,
        is_attended=attended,
        shown=f"{row.pk}-{row.revision}-{state}-{attended:d}",
        draw=row.draw,
    )
