"""What a reviewer says of a face is kept: once, however often it is sent, and what it corrects stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, Subquery

from classifier.models import CANNOT_TELL, Collection, Draw, DrawnFace, Face, Review, User
from classifier.services import audit
from classifier.services.reviews.refusals import (
    AnsweredMeanwhile,
    BadAnswer,
    DrawEnded,
    NotDrawn,
    NothingToTakeBack,
    QuestionsOff,
)
from ml.attributes import ATTRIBUTES

LONGEST_COMMENT = 500
LONGEST_LOOK_SECONDS = 3600.0  # beyond it nobody was looking


@dataclass(frozen=True)
class Answer:
    """What was said of a face: labels by attribute in the finest grouping, or CANNOT_TELL; or that it is no face.

    `client_key` is the sender's name for this answer, the same when it is sent again.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    verdict: str = Review.Verdict.FACE
    comment: str = ""
    seconds: float | None = None
    client_key: str = ""


@dataclass(frozen=True)
class Kept:
    """The review that stands now, whether it is new, and which attributes were dropped because they are off by now."""

    review: Review
    is_new: bool = True
    dropped: tuple[str, ...] = ()


def answer_face(
    draw: Draw,
    *,
    face: Face,
    reviewer: User,
    answer: Answer,
    replaces: str | UUID | None = None,
    adjudicates: bool = False,
    was_blind: bool = True,
) -> Kept:
    """Keep an answer about a drawn face; an answer that this reviewer gave before is replaced if it is named.

    `replaces` is its uid. One that skips a face, or that was taken back, needs no naming.
    Raises NotDrawn, DrawEnded, BadAnswer, QuestionsOff, AnsweredMeanwhile.
    """
    with transaction.atomic():
        on = Collection.objects.hold_attributes(draw.collection_id)
        found = _find_same(reviewer, draw=draw, face=face, key=answer.client_key, adjudicates=adjudicates)
        if found.sent_before:
            return Kept(found.sent_before, is_new=False)
        if draw.ended:
            raise DrawEnded
        drawn = DrawnFace.objects.filter(draw=draw, face=face, face__retired_at=None, face__photo__deleting_at=None)
        if not drawn.exists():
            raise NotDrawn
        said, dropped = clean_answer(answer, asked=draw.attributes, on=on)
        if found.standing and _says_same(found.standing, answer=answer, said=said):
            return Kept(found.standing, is_new=False, dropped=dropped)
        _check_replaced(found.standing, replaces=replaces)
        review = Review(
            face=face,
            draw=draw,
            reviewer=reviewer,
            reviewer_uid=reviewer.uid,
            was_blind=was_blind,
            adjudicates=adjudicates,
            verdict=answer.verdict,
            answers=said,
            comment=answer.comment.strip()[:LONGEST_COMMENT],
            seconds=clean_seconds(answer.seconds),
            client_key=answer.client_key,
        )
        keep_review(review, instead_of=found.standing)
        Collection.objects.filter(pk=draw.collection_id).note_answers()
        if found.is_first:
            _record("pass begun", draw, actor=reviewer)
        if found.standing and found.standing.verdict in (Review.Verdict.FACE, Review.Verdict.NOT_A_FACE):
            _record("review corrected", draw, actor=reviewer, review=str(review.uid))
    return Kept(review, dropped=dropped)


def skip_face(draw: Draw, *, face: Face, reviewer: User, client_key: str = "") -> Kept:
    """Put a face off; it comes back when the others are answered. Raises as `answer_face`."""
    skip = Answer(verdict=Review.Verdict.SKIPPED, client_key=client_key)
    return answer_face(draw, face=face, reviewer=reviewer, answer=skip)  # which replaces no answer


def take_back(
    draw: Draw, *, reviewer: User, face: Face | None = None, client_key: str = "", adjudicates: bool = False
) -> Review:
    """Undo a reviewer's last answer in a draw, so that its face comes next again; the review that was taken back.

    `adjudicates` undoes what settled a disagreement instead. Called again it goes back further. With `face` it is the
    last answer about that face: another window may have answered since. Raises NothingToTakeBack, DrawEnded.
    """
    with transaction.atomic():
        Collection.objects.hold_attributes(draw.collection_id)
        mine = Review.objects.filter(draw=draw, reviewer_uid=reviewer.uid, adjudicates=adjudicates)
        if client_key and (before := mine.filter(client_key=client_key).select_related("replaces__face").first()):
            if before.replaces is None:
                raise NothingToTakeBack
            return before.replaces
        if draw.ended:
            raise DrawEnded
        kept = mine.standing().filter(face__retired_at=None, face__photo__deleting_at=None)
        if face is not None:
            kept = kept.filter(face=face)
        last = kept.select_related("face").order_by("-id").first()
        if last is None:
            raise NothingToTakeBack
        undone = Review(
            face=last.face,
            draw=draw,
            reviewer=reviewer,
            reviewer_uid=reviewer.uid,
            was_blind=last.was_blind,
            adjudicates=adjudicates,
            verdict=Review.Verdict.WITHDRAWN,
            client_key=client_key,
        )
        keep_review(undone, instead_of=last)
        Collection.objects.filter(pk=draw.collection_id).note_answers()
        if last.verdict != Review.Verdict.SKIPPED:
            _record("review taken back", draw, actor=reviewer, review=str(last.uid))
    return last


def keep_review(review: Review, *, instead_of: Review | None) -> None:
    """Store a review in the place of the one that stood. Raises AnsweredMeanwhile where another came first.

    Call it inside of a transaction, which is over then.
    """
    try:
        with transaction.atomic(savepoint=False):
            if instead_of is not None:
                if not Review.objects.filter(pk=instead_of.pk, is_standing=True).update(is_standing=False):
                    raise AnsweredMeanwhile
                review.replaces = instead_of
            review.save(force_insert=True)
    except IntegrityError:
        raise AnsweredMeanwhile from None


def clean_answer(answer: Answer, *, asked: list[str], on: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What is kept of an answer, and the attributes that are dropped since they are off. Raises as `answer_face`."""
    if answer.verdict != Review.Verdict.FACE:
        return {}, ()
    for name, label in answer.answers.items():
        if name not in ATTRIBUTES or (label != CANNOT_TELL and label not in ATTRIBUTES[name].labels):
            known = ", ".join(ATTRIBUTES[name].labels) if name in ATTRIBUTES else ""
            told = (
                f"{label!r} is no answer about {name}: {known}, {CANNOT_TELL}." if known else f"Nobody asks {name!r}."
            )
            raise BadAnswer("unknown_label", told, attribute=name, label=label)
    said = {name: answer.answers[name] for name in ATTRIBUTES if name in answer.answers and name in asked}
    if not said:
        raise BadAnswer("empty_answer", "Say something about the face, or skip it.")
    if missing := [name for name in asked if name in on and name not in said]:
        raise BadAnswer("incomplete", f"Nothing is said of {', '.join(missing)}.", attributes=missing)
    kept = {name: label for name, label in said.items() if name in on}
    dropped = tuple(name for name in said if name not in on)
    if not kept:
        raise QuestionsOff(attributes=list(dropped))
    return kept, dropped


def clean_seconds(seconds: float | None) -> float | None:
    """How long somebody looked, where that can be."""
    return round(seconds, 1) if seconds is not None and 0 <= seconds <= LONGEST_LOOK_SECONDS else None


@dataclass(frozen=True)
class _Found:
    """What is there when an answer comes in."""

    sent_before: Review | None
    standing: Review | None
    is_first: bool


def _find_same(reviewer: User, *, draw: Draw, face: Face, key: str, adjudicates: bool) -> _Found:
    """In one query: the review with this client key, the standing one, or any other of this pass."""
    mine = Review.objects.filter(reviewer_uid=reviewer.uid)
    here = Q(draw=draw, face=face, adjudicates=adjudicates, is_standing=True)
    wanted = here | Q(client_key=key) if key else here
    any_other = mine.filter(draw=draw).order_by("pk").values("pk")[:1]
    rows = list(mine.filter(wanted | Q(pk=Subquery(any_other))))
    sent_before = next((row for row in rows if key and row.client_key == key), None)
    standing = next(
        (
            row
            for row in rows
            if row.is_standing and (row.draw_id, row.face_id, row.adjudicates) == (draw.pk, face.pk, adjudicates)
        ),
        None,
    )
    return _Found(sent_before, standing, is_first=not any(row.draw_id == draw.pk for row in rows))


def _says_same(standing: Review, *, answer: Answer, said: dict[str, str]) -> bool:
    """Whether it was said already, so that a page that never heard of it may say it again."""
    same_comment = answer.comment.strip()[:LONGEST_COMMENT] == standing.comment
    return standing.verdict == answer.verdict and standing.answers == said and same_comment


def _check_replaced(standing: Review | None, *, replaces: str | UUID | None) -> None:
    stands = None
    if standing is not None and standing.verdict not in (Review.Verdict.WITHDRAWN, Review.Verdict.SKIPPED):
        stands = str(standing.uid)
    if stands != (None if replaces is None else str(replaces)):
        raise AnsweredMeanwhile(standing=stands)


def _record(action: str, draw: Draw, *, actor: User, **details: str) -> None:
    audit.record(action, actor=actor, target=f"draw {draw.uid}", details=details)
