"""How far each reviewer is: for the list of what waits, the top bar, and a draw's page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from classifier.models import CollectionShare, Draw, DrawnFace, DrawnPhoto, PhotoReview, Review, User


@dataclass(frozen=True)
class Reviewer:
    """One who answered in a draw, or was asked to; `may_be_dismissed` where the owner asked by name."""

    name: str
    answered: int
    skipped: int
    last_at: datetime | None
    settled: int = 0
    may_be_dismissed: bool = False


def count_answered(draws: Iterable[Draw], *, reviewer: User) -> dict[int, int]:
    """Draw -> the faces or photos that a reviewer has answered about and that still count."""
    keys = [draw.pk for draw in draws]
    of_faces = Review.objects.told().filter(
        draw__in=keys, reviewer_uid=reviewer.uid, adjudicates=False, face__retired_at=None
    )
    of_photos = PhotoReview.objects.filter(
        drawn_photo__draw__in=keys, reviewer_uid=reviewer.uid, is_standing=True, is_skip=False
    )
    counts = dict(of_faces.order_by().values_list("draw").annotate(Count("pk")).values_list("draw", "pk__count"))
    photos = of_photos.order_by().values_list("drawn_photo__draw").annotate(Count("pk"))
    return counts | dict(photos.values_list("drawn_photo__draw", "pk__count"))


def count_drawn(draws: Iterable[Draw]) -> dict[int, int]:
    """Draw -> the faces or photos of it that are there."""
    keys = [draw.pk for draw in draws]
    faces = DrawnFace.objects.filter(draw__in=keys, face__retired_at=None, face__photo__deleting_at=None).order_by()
    photos = DrawnPhoto.objects.filter(draw__in=keys, photo__deleting_at=None).order_by()
    counts: dict[int, int] = {}
    for rows in (faces, photos):
        counts |= dict(rows.values_list("draw").annotate(Count("pk")).values_list("draw", "pk__count"))
    return counts


def count_waiting_draws(user: User) -> int:
    """The draws in which something waits for the user, in one query; for the top bar."""
    return select_waiting(user).count()


def select_waiting(user: User) -> QuerySet[Draw]:
    """The draws in which somebody asks for answers of the user, and has not got them all."""
    told = Review.objects.told().filter(
        draw=OuterRef("draw"), face=OuterRef("face"), reviewer_uid=user.uid, adjudicates=False
    )
    marked = PhotoReview.objects.filter(
        drawn_photo=OuterRef("pk"), reviewer_uid=user.uid, is_standing=True, is_skip=False
    )
    faces = DrawnFace.objects.filter(draw=OuterRef("pk"), face__retired_at=None, face__photo__deleting_at=None)
    photos = DrawnPhoto.objects.filter(draw=OuterRef("pk"), photo__deleting_at=None)
    waits = Exists(faces.filter(~Exists(told))) | Exists(photos.filter(~Exists(marked)))
    found: QuerySet[Draw] = Draw.objects.reviewable_by(user).filter(waits, ended="", declared_by="")
    return found


def list_reviewers(draw: Draw) -> list[Reviewer]:
    """Who answered, most answers first, then those who were asked and did not begin."""
    shares = CollectionShare.objects.filter(collection=draw.collection, role=CollectionShare.Role.REVIEW)
    asked = {share.user.username for share in shares.select_related("user")}
    found = _photo_rows(draw) if draw.kind == Draw.Kind.PHOTOS else _face_rows(draw)
    people = [
        Reviewer(row.name, row.answered, row.skipped, row.last_at, row.settled, may_be_dismissed=row.name in asked)
        for row in found
    ]
    begun = {person.name for person in people}
    waiting = [Reviewer(name, 0, 0, None, may_be_dismissed=True) for name in sorted(asked - begun)]
    return sorted(people, key=lambda person: -person.answered) + waiting


def _face_rows(draw: Draw) -> list[Reviewer]:
    own = Q(adjudicates=False, face__retired_at=None)
    says = Q(verdict__in=(Review.Verdict.FACE, Review.Verdict.NOT_A_FACE))
    told = own & says
    rows = (
        Review.objects.filter(draw=draw, is_standing=True)
        .order_by()
        .values("reviewer_uid")
        .annotate(
            name=Max("reviewer__username"),
            file_name=Max("said_by"),
            answered=Count("pk", filter=told),
            skipped=Count("pk", filter=own & Q(verdict=Review.Verdict.SKIPPED)),
            settled=Count("pk", filter=says & Q(adjudicates=True)),
            last_at=Max("at"),
        )
    )
    return [
        Reviewer(
            row["name"] or row["file_name"] or "a former reviewer",
            row["answered"],
            row["skipped"],
            row["last_at"],
            row["settled"],
        )
        for row in rows
        if row["answered"] or row["skipped"] or row["settled"]
    ]


def _photo_rows(draw: Draw) -> list[Reviewer]:
    rows = (
        PhotoReview.objects.filter(drawn_photo__draw=draw, is_standing=True)
        .order_by()
        .values("reviewer_uid")
        .annotate(
            name=Max("reviewer__username"),
            answered=Count("pk", filter=Q(is_skip=False)),
            skipped=Count("pk", filter=Q(is_skip=True)),
            last_at=Max("at"),
        )
    )
    return [
        Reviewer(row["name"] or "a former reviewer", row["answered"], row["skipped"], row["last_at"]) for row in rows
    ]
