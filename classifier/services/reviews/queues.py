"""Plain queues, for correction and training: their answers never feed statistics, and are marked as not blind."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from classifier.models import Collection, Face, Guess, Review, User
from classifier.services import audit
from classifier.services.reviews import answering
from classifier.services.reviews.answering import Answer, Kept
from classifier.services.reviews.refusals import BadAnswer, NotDrawn

DOUBT, LABEL = "doubt", "label"  # the least sure first; those guessed as one label, the least sure first


def list_faces(
    collection: Collection, *, attribute: str, reviewer: User, order: str = DOUBT, label: str = ""
) -> QuerySet[Face]:
    """Faces that this reviewer has not answered about outside of draws, the most doubtful guesses first."""
    guesses = Guess.objects.filter(attribute=attribute, face=OuterRef("pk"))
    if order == LABEL:
        guesses = guesses.filter(label=label)
    mine = Review.objects.told().filter(face=OuterRef("pk"), draw=None, reviewer_uid=reviewer.uid)
    faces = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None)
    return (
        faces.filter(Exists(guesses), ~Exists(mine))
        .annotate(sureness=guesses.values("probability")[:1])
        .select_related("photo")
        .order_by("sureness", "pk")
    )


def answer_outside(face: Face, *, reviewer: User, answer: Answer) -> Kept:
    """Keep an answer outside of draws; the reviewer's earlier one is replaced. Raises NotDrawn, BadAnswer."""
    with transaction.atomic():
        collection = face.photo.collection_id
        on = Collection.objects.hold_attributes(collection)
        if not Face.objects.counted().filter(pk=face.pk, photo__deleting_at=None).exists():
            raise NotDrawn("This face is not there any more: its photo was deleted, or its faces were found anew.")
        if answer.verdict not in (Review.Verdict.FACE, Review.Verdict.NOT_A_FACE):
            raise BadAnswer("empty_answer", "Say something about the face.")
        mine = Review.objects.filter(reviewer_uid=reviewer.uid)
        if answer.client_key and (before := mine.filter(client_key=answer.client_key).first()):
            return Kept(before, is_new=False)
        said, dropped = answering.clean_answer(answer, asked=list(answer.answers), on=on)
        standing = mine.filter(face=face, draw=None, source=Review.Source.PERSON, is_standing=True).first()
        review = Review(
            face=face,
            reviewer=reviewer,
            reviewer_uid=reviewer.uid,
            was_blind=False,
            verdict=answer.verdict,
            answers=said,
            comment=answer.comment.strip()[: answering.LONGEST_COMMENT],
            seconds=answering.clean_seconds(answer.seconds),
            client_key=answer.client_key,
        )
        answering.keep_review(review, instead_of=standing)
    return Kept(review, dropped=dropped)


def confirm_guesses(faces: Sequence[Face], *, reviewer: User) -> int:
    """Say of each face what the model guessed, as a reviewer who saw the guesses; how many had any."""
    count = 0
    with transaction.atomic():
        for face in faces:
            guesses = dict(face.guesses.values_list("attribute", "label"))
            if guesses:
                answer_outside(face, reviewer=reviewer, answer=Answer(answers=guesses))
                count += 1
        if count:
            audit.record("guesses confirmed", actor=reviewer, details={"faces": count, "was_blind": False})
    return count
