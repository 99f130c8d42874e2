"""Disagreements between reviewers, which a third person settles; the word of that person takes the others' place."""

from collections import defaultdict
from dataclasses import dataclass

from classifier.models import Draw, Face, Review, User
from classifier.services.reviews import answering, serving
from classifier.services.reviews.answering import Answer, Kept
from classifier.services.reviews.refusals import ReviewRefused


class OwnDisagreement(ReviewRefused):
    code = "own_disagreement"
    sentence = "You are one of those who disagree about this face. Somebody else has to settle it."


@dataclass(frozen=True)
class Disagreement:
    """A drawn face of which reviewers said different things, and what each of them said."""

    face_id: int
    reviews: tuple[Review, ...]

    def differing(self) -> list[str]:
        """The attributes about which they differ; nothing where they differ whether it is a face."""
        names = dict.fromkeys(name for review in self.reviews for name in review.answers)
        return [name for name in names if len({review.answers.get(name) for review in self.reviews}) > 1]


def list_disagreements(draw: Draw, *, adjudicator: User | None = None) -> list[Disagreement]:
    """Those that nobody has settled yet, in the order of the draw; for a person only those that are not their own."""
    by_face: dict[int, list[Review]] = defaultdict(list)
    settled = set()
    standing = Review.objects.told().filter(draw=draw, face__retired_at=None, face__photo__deleting_at=None)
    for review in standing.select_related("reviewer").order_by("pk"):
        if review.adjudicates:
            settled.add(review.face_id)
        else:
            by_face[review.face_id].append(review)
    found = []
    for face_id in draw.drawn_faces.order_by("place").values_list("face_id", flat=True):
        reviews = by_face.get(face_id, [])
        if face_id in settled or not _differ(reviews):
            continue
        if adjudicator is not None and any(review.reviewer_uid == adjudicator.uid for review in reviews):
            continue
        found.append(Disagreement(face_id, tuple(reviews)))
    return found


def next_disagreement(draw: Draw, *, adjudicator: User) -> tuple[Face, Disagreement] | None:
    """The next face that this person may settle, with its photo."""
    for disagreement in list_disagreements(draw, adjudicator=adjudicator):
        if faces := serving.load_faces([disagreement.face_id]):
            return faces[0], disagreement
    return None


def settle(draw: Draw, *, face: Face, adjudicator: User, answer: Answer, replaces: str | None = None) -> Kept:
    """Keep the word that counts instead of the others'. Raises OwnDisagreement and as `answering.answer_face`.

    It is not blind: the adjudicator sees what the others said, though not what the model guessed.
    """
    if Review.objects.told().filter(draw=draw, face=face, reviewer_uid=adjudicator.uid, adjudicates=False).exists():
        raise OwnDisagreement
    return answering.answer_face(
        draw, face=face, reviewer=adjudicator, answer=answer, replaces=replaces, adjudicates=True
    )


def _differ(reviews: list[Review]) -> bool:
    return len({(review.verdict, tuple(sorted(review.answers.items()))) for review in reviews}) > 1
