"""Aggregate-only collections: each photo's counts are added to sums once, and nothing else of it is kept.

What people are shown are the sums as they were told last. They are told anew only when LEAST more faces of several
photos came, so that no two tellings differ in one photo; and which numbers are small, and so told together, is settled
when they are told, for all who ask.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils import timezone

from classifier.models import Aggregate, Collection, ModelVersion
from classifier.models.faces import SMALL_FACE_PX
from ml.attributes import ATTRIBUTES
from ml.shares import merging, schemes, totals
from ml.shares.faces import Faces, predict_from
from ml.shares.merging import LEAST
from ml.shares.totals import Totals

if TYPE_CHECKING:
    from ml.requests import AnalyzedFace

LIVE = ("photos", "photos_with_faces", "faces", "narrow_faces", "sums", "replicates")
TOLD = ("told", "told_replicates", "told_photos", "told_faces", "told_at")
LEAST_PHOTOS = 3  # so that whoever knows one of the photos that came does not learn what another one showed
_WIDTH = np.dtype("<i4")


def add_photo(
    collection: int, *, version: ModelVersion, found: "Sequence[AnalyzedFace]", attributes: Iterable[str]
) -> None:
    """Add what a photo showed to the sums of its collection (by primary key), and tell them where that is due.

    Call it in the transaction that takes the photo away, with the collection's row held: so it counts once.
    """
    wide = [face for face in found if face.size_px >= SMALL_FACE_PX]
    row = _hold(collection, version=version)
    row.photos += 1
    row.photos_with_faces += bool(wide)
    row.faces += len(wide)
    row.narrow_faces += len(found) - len(wide)
    if wide:
        wanted = {name for name in attributes if version.tells(ATTRIBUTES[name])}
        _add_counts(row, faces=_list_faces(wide, attributes=wanted))
    changed = [*LIVE]
    if row.faces - row.told_faces >= LEAST and row.photos_with_faces - row.told_photos >= LEAST_PHOTOS:
        _tell(row)
        changed += TOLD
    row.save(update_fields=changed)


def forget_attributes(collection: Collection, *, attributes: Iterable[str]) -> int:
    """Remove the sums of these attributes, told ones too; how many went. Call it with the collection's row held."""
    gone, count = set(attributes), 0

    def forget(sums: Mapping[str, Any], replicates: bytes | memoryview) -> tuple[dict[str, Any], bytes]:
        found = read_totals(sums, replicates)
        return _write_totals({name: of for name, of in found.items() if name not in gone})

    for row in Aggregate.objects.filter(collection=collection).select_for_update(no_key=True):
        count += len(gone & row.sums.keys())
        row.sums, row.replicates = forget(row.sums, row.replicates)
        if row.told:
            row.told["sums"], row.told_replicates = forget(row.told["sums"], row.told_replicates)
            row.told["together"] = {name: of for name, of in row.told["together"].items() if name not in gone}
        row.save()
    return count


def count_told(collection: Collection) -> dict[str, int]:
    """Attribute -> the faces whose labels are in its sums, as they were told last."""
    counts: Counter[str] = Counter()
    for told in Aggregate.objects.filter(collection=collection, told_at__isnull=False).values_list("told", flat=True):
        counts.update({name: sum(of["counts"]) for name, of in told["sums"].items()})
    return counts


def read_totals(sums: Mapping[str, Any], replicates: bytes | memoryview) -> dict[str, Totals]:
    """The totals of each attribute, as they are stored."""
    names = sorted(sums)
    widths = [len(sums[name]["counts"]) for name in names]
    if not names:
        return {}
    columns = np.frombuffer(bytes(replicates), dtype=_WIDTH).reshape(-1, sum(widths))
    parts = np.split(columns, np.cumsum(widths)[:-1], axis=1)
    return {
        name: Totals(np.array(sums[name]["counts"], dtype=np.int64), part, sums[name]["photos"])
        for name, part in zip(names, parts, strict=True)
    }


def _hold(collection: int, *, version: ModelVersion) -> Aggregate:
    rows = Aggregate.objects.select_for_update(no_key=True).defer("told_replicates")
    row, _ = rows.get_or_create(collection_id=collection, model_version=version)
    return row


def _list_faces(found: "Sequence[AnalyzedFace]", *, attributes: Iterable[str]) -> Faces:
    """The faces of one photo, their probabilities rounded as a report's are."""
    names = [name for name in ATTRIBUTES if name in set(attributes)]
    posteriors = {name: np.array([face.probabilities[name] for face in found], dtype=np.float16) for name in names}
    classes = {name: tuple(ATTRIBUTES[name].labels) for name in names}
    return Faces(np.zeros(len(found), int), classes, predict_from(posteriors), posteriors)


def _add_counts(row: Aggregate, *, faces: Faces) -> None:
    """One weight for each replicate, the same for all attributes. It is drawn afresh and kept nowhere."""
    found = read_totals(row.sums, row.replicates)
    weights = totals.draw_weights(np.random.default_rng())
    for attribute, classes in faces.classes.items():
        scheme = schemes.single(attribute, classes=classes)
        before = found.get(attribute) or Totals.empty(classes=scheme.solving_count)
        found[attribute] = before.add(totals.count_classes(faces, scheme=scheme), weights=weights)
    row.sums, row.replicates = _write_totals(found)


def _write_totals(found: Mapping[str, Totals]) -> tuple[dict[str, Any], bytes]:
    names = sorted(found)
    sums = {name: {"counts": found[name].counts.tolist(), "photos": found[name].photos} for name in names}
    columns = [found[name].replicates for name in names]
    return sums, np.hstack(columns).astype(_WIDTH).tobytes() if columns else b""


def _tell(row: Aggregate) -> None:
    """Let the sums be told as they are now; in the transaction that changed them."""
    before, together = row.told.get("together", {}), {}
    for attribute, of in row.sums.items():
        counts = np.array(of["counts"])
        hidden = before.get(attribute, ())
        found = merging.merge_small(counts, hidden=range(len(counts)) if hidden is None else hidden)
        together[attribute] = None if found is None else sorted(found)
    row.told = {
        "photos": row.photos,
        "photos_with_faces": row.photos_with_faces,
        "faces": row.faces,
        "narrow_faces": row.narrow_faces,
        "sums": row.sums,
        "together": together,
    }
    row.told_replicates = row.replicates
    row.told_photos, row.told_faces, row.told_at = row.photos_with_faces, row.faces, timezone.now()
