"""Plain queues, for correction and training: their answers never feed statistics, and are marked as not blind."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from classifier.models import CANNOT_TELL, Collection, DrawnFace, Face, Guess, Review, User
from classifier.services import audit
from classifier.services.reviews import answering
from classifier.services.reviews.answering import Answer, Kept
from classifier.services.reviews.refusals import BadAnswer, NotDrawn

# The least sure first; those guessed as one label; those of which people said something else than the model.
DOUBT, LABEL, DISAGREEMENT = "doubt", "label", "disagreement"


def list_faces(
    collection: Collection, *, attribute: str, reviewer: User, order: str = DOUBT, label: str = ""
) -> QuerySet[Face]:
    """Faces that this reviewer has not answered about outside of draws, the most doubtful guesses first."""
    guesses = Guess.objects.filter(attribute=attribute, face=OuterRef("pk"))
    if order == LABEL:
        guesses = guesses.filter(label=label)
    mine = Review.objects.told().filter(face=OuterRef("pk"), draw=None, reviewer_uid=reviewer.uid)
    faces = Face.objects.counted().filter(photo__collection=collection, photo__deleting_at=None)
    if order == DISAGREEMENT:
        faces = faces.annotate(guessed=guesses.values("label")[:1]).filter(Exists(_said_otherwise(attribute)))
    return (
        faces.filter(Exists(guesses), ~Exists(mine))
        .annotate(sureness=guesses.values("probability")[:1])
        .select_related("photo")
        .order_by("sureness", "pk")
    )


def leave_out_drawn(faces: QuerySet[Face], *, reviewer: User) -> QuerySet[Face]:
    """Without faces that wait for this reviewer in a draw: whoever saw the guess is not blind there any more."""
    told = Review.objects.told().filter(
        draw=OuterRef("draw"), face=OuterRef("face"), reviewer_uid=reviewer.uid, adjudicates=False
    )
    drawn = DrawnFace.objects.filter(~Exists(told), face=OuterRef("pk"), draw__ended="")
    return faces.filter(~Exists(drawn))


def _said_otherwise(attribute: str) -> QuerySet[Review]:
    """Reviews of a face, whose guess is `guessed`, that name another label."""
    told = Review.objects.told().filter(face=OuterRef("pk"), answers__has_key=attribute)
    # As text: SQLite would read the guess that it is compared with as JSON.
    said = Cast(KeyTextTransform(attribute, "answers"), TextField())
    named = told.annotate(said=said).exclude(said=CANNOT_TELL)
    return named.exclude(said=OuterRef("guessed"))


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
    """Say of each face what the model guessed, as a reviewer who saw the guesses; how many faces that was of.

    What this reviewer has said of a face stands: those are left out, and so are faces without a guess.
    """
    count = 0
    with transaction.atomic():
        Collection.objects.filter(photos__faces__in=faces).hold()
        mine = Review.objects.told().filter(face__in=faces, draw=None, reviewer_uid=reviewer.uid)
        said = set(mine.values_list("face_id", flat=True))
        for face in faces:
            if face.pk in said:
                continue
            guesses = dict(face.guesses.values_list("attribute", "label"))
            if guesses:
                answer_outside(face, reviewer=reviewer, answer=Answer(answers=guesses))
                count += 1
        if count:
            audit.record("guesses confirmed", actor=reviewer, details={"faces": count, "was_blind": False})
    return count
