"""The report of an aggregate-only collection, from its sums as they were told last."""

from datetime import datetime

from django.db.models import Sum

from classifier.models import PENDING, Aggregate, Collection
from classifier.services import aggregates
from classifier.services.reports import reading
from classifier.services.reports.questions import Question
from ml.attributes import ATTRIBUTES
from ml.shares.errors import NoFaces
from ml.shares.merging import LEAST
from ml.surveying import totalled
from ml.surveying.report import Report
from ml.surveying.survey import SMALL_FACE_PX
from ml.surveying.totalled import Told

TOO_FEW = f"Shares are told from {LEAST} faces of several photos on: before, a number could point at somebody."


def compute_report(collection: Collection, *, question: Question) -> Report:
    """What may be told of the sums. Of the question only the grouping counts: what is gone cannot be narrowed.

    Raises NoFaces, its text being for people, and NoEvidence where nobody knows how the model errs.
    """
    if not collection.attributes:
        raise NoFaces("switched_off", reading.NOTHING_ON)
    rows = Aggregate.objects.filter(collection=collection).select_related("model_version")
    told = [_read(row, at=row.told_at) for row in rows if row.told_at]
    if not told:
        raise NoFaces("no_faces", _explain_nothing(collection))
    return totalled.compute_report(told, source=collection.name, narrowest_px=SMALL_FACE_PX, taxonomy=question.taxonomy)


def _read(row: Aggregate, *, at: datetime) -> Told:
    found = aggregates.read_totals(row.told["sums"], row.told_replicates)
    return Told(
        known=reading.find_known(row.model_version),
        classes={name: tuple(of.labels) for name, of in ATTRIBUTES.items() if name in found},
        totals=found,
        together=row.told["together"],
        **{name: row.told[name] for name in ("photos", "photos_with_faces", "faces", "narrow_faces")},
        at=at,
    )


def _explain_nothing(collection: Collection) -> str:
    photos = collection.photos.filter(deleting_at=None)
    if not Aggregate.objects.filter(collection=collection).aggregate(photos=Sum("photos"))["photos"]:
        if photos.filter(state__in=PENDING).exists():
            return reading.ANALYSING
        return TOO_FEW if photos.exists() else reading.NO_PHOTOS
    return TOO_FEW
