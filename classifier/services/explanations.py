"""Asking what mattered for a guess: found when it was asked before, queued as a job otherwise."""

from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from classifier.intake import storage
from classifier.models import PENDING, Collection, Explanation, Face, Job, State, User, WorkerHeartbeat
from classifier.models.explanations import ExplanationQuerySet
from classifier.running import hints
from classifier.services import predictions, rates

MAX_PENDING_JOBS = 1000  # beyond it nobody can wait for an answer anyway
NO_GUESS = "There is no guess here that could be explained."
# Asking again would only fail again.
FINAL_CODES = (Job.Code.NO_GRADIENTS, Job.Code.NO_MAP, Job.Code.SWITCHED_OFF)
REASONS: dict[str, str] = {
    Job.Code.CRASHED: "The worker could not work this out. The guess itself is not touched by that.",
    Job.Code.TIMED_OUT: "This took too long, so the worker gave up.",
    Job.Code.WORKER_LOST: "The worker stopped again and again while it worked on this.",
    Job.Code.FILE_MISSING: "The stored photo is missing, so there is nothing to look at.",
    Job.Code.DISK_FULL: "The disk of this site is full, so the answer could not be kept. Ask again once there is room.",
    Job.Code.SWITCHED_OFF: "This attribute is switched off for the collection.",
    Job.Code.OTHER_MODEL: "The model that made this guess is not loaded any more. Run the photo again to have the "
    "guess of the present one, then ask again.",
    Job.Code.NO_GRADIENTS: "This guess was made by an exported model (ONNX). It answers quickly, but it cannot say "
    "what mattered; only the PyTorch model that it came from can.",
    Job.Code.NO_MAP: "This network cannot say what mattered for its guesses.",
}


class ExplanationRefused(Exception):
    """A question that is turned away; the text is for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class Answer:
    """Where the question stands: `state` is empty (never asked), queued, running, done or failed.

    `maps` are there when it is done, `reason` and whether asking again makes sense when it failed. While it is pending
    `is_attended` tells whether a worker is alive.
    """

    state: str = ""
    reason: str = ""
    can_ask_again: bool = False
    maps: tuple[Explanation, ...] = ()
    is_attended: bool = True

    @property
    def is_pending(self) -> bool:
        """Whether a worker has it to do or is at it, so that asking again in a while tells more."""
        return self.state in PENDING

    @property
    def stage(self) -> str:
        """The state as who waits should know it: `unattended` while no worker is there."""
        return self.state if self.is_attended else "unattended"


def explainable(face: Face) -> tuple[str, ...]:
    """The attributes of a face that can be explained: those with a current guess that are switched on."""
    prediction = face.prediction
    told = predictions.describe_prediction(prediction) if prediction else {}
    return tuple(name for name in face.photo.collection.attributes if name in told)


def read_answer(face: Face, *, attribute: str) -> Answer:
    """Where the question what mattered for the current guess of an attribute stands."""
    rows = tuple(_rows(face, attribute=attribute))
    job = rows[0].job if rows else None
    if maps := tuple(row for row in rows if row.heat):
        return Answer(state=State.DONE, maps=maps)
    if job is None:
        return Answer()
    if job.state == State.FAILED:
        return Answer(job.state, reason=_reason(job), can_ask_again=job.code not in FINAL_CODES)
    return Answer(job.state, is_attended=WorkerHeartbeat.objects.live().exists())


def ask(user: User, *, face: Face, attribute: str, again: bool = False) -> Answer:
    """What mattered for the current guess of an attribute: told when it is known, queued when it is not.

    `again` asks anew after a failure. Raises ExplanationRefused when the attribute is switched off or has no guess,
    and when too much was asked.
    """
    prediction = face.prediction
    if prediction is None or attribute not in explainable(face):
        raise ExplanationRefused(NO_GUESS)
    answer = read_answer(face, attribute=attribute)
    if not _must_ask(answer, again=again):
        return answer
    if wait := rates.take(f"explain:{user.pk}", rate=rates.parse_rate(settings.EXPLAIN_RATE)):
        seconds = rates.whole_seconds(wait)
        raise ExplanationRefused(f"Those were many questions at once. Ask again in {seconds} s; nothing is lost.")
    if Job.objects.count_pending() >= MAX_PENDING_JOBS:
        raise ExplanationRefused("Too much is waiting for the workers just now. Ask again in a while.")
    with transaction.atomic():
        # Of two who ask at once the second finds the job of the first; what went meanwhile is not asked.
        wanted = Collection.objects.hold_attributes(face.photo.collection_id)
        if attribute not in wanted or not Face.objects.filter(pk=face.pk, photo__deleting_at=None).exists():
            raise ExplanationRefused(NO_GUESS)
        if not _must_ask(read_answer(face, attribute=attribute), again=again):
            return read_answer(face, attribute=attribute)
        turn = Job.objects.next_turn(user.pk)
        job = Job.objects.create(owner=user, kind=Job.Kind.EXPLANATION, photo=face.photo, turn=turn)
        # Rows of an earlier answer go, with their uid: a browser that kept their maps must not show them for new ones.
        asked = {"face": face, "model_version": prediction.model_version, "attribute": attribute}
        forget(Explanation.objects.filter(**asked))
        label = prediction.predicted_label(attribute)
        Explanation.objects.bulk_create(
            Explanation(**asked, method=method, label=label, job=job) for method in Explanation.Method.values
        )
        transaction.on_commit(hints.wake_workers)
    return read_answer(face, attribute=attribute)


def forget(explanations: ExplanationQuerySet) -> int:
    """Remove explanations: their files, then their rows; the number of them."""
    storage.remove_files(*(storage.heat_name(uid) for uid in explanations.values_list("uid", flat=True)))
    return explanations.delete()[0]


def _rows(face: Face, *, attribute: str) -> ExplanationQuerySet:
    """Those of the current guess: the same version may guess another label when it runs on another device."""
    prediction = face.prediction
    if prediction is None:
        return Explanation.objects.none()
    asked = Explanation.objects.filter(face=face, attribute=attribute, model_version=prediction.model_version_id)
    return asked.filter(label=prediction.predicted_label(attribute)).select_related("job")


def _must_ask(answer: Answer, *, again: bool) -> bool:
    if answer.state == State.FAILED:
        return again and answer.can_ask_again
    if answer.state == State.DONE:
        return not all(default_storage.exists(str(row.heat)) for row in answer.maps)
    return not answer.state


def _reason(job: Job) -> str:
    """Why a job failed and what helps, in a sentence."""
    return REASONS.get(job.code, "No reason is known.")
