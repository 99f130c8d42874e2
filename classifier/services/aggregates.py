"""Aggregate-only collections: each photo's counts are added to sums once, and nothing else of it is kept.

What people are shown are the sums as they were told last. They are told anew only when LEAST more faces of several
photos came, so that no two tellings differ in one photo; and which numbers are small, and so told together, is settled
when they are told, for all who ask.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils import timezone

from classifier.models import Aggregate, Collection, ModelVersion
from classifier.models.faces import SMALL_FACE_PX
from ml.attributes import ATTRIBUTES
from ml.shares import merging, schemes, totals
from ml.shares.faces import Faces, predict_from
from ml.shares.merging import LEAST, NOTHING, Together
from ml.shares.schemes import Scheme
from ml.shares.totals import Totals

if TYPE_CHECKING:
    from ml.requests import AnalyzedFace

LEAST_PHOTOS = 3  # so that whoever knows one of the photos that came does not learn what another one showed
_CROSS = " x "
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
    if row.faces - row.told_faces >= LEAST and row.photos_with_faces - row.told_photos >= LEAST_PHOTOS:
        _tell(row)
    row.save()


def forget_attributes(collection: Collection, *, attributes: Iterable[str]) -> int:
    """Remove the sums of these attributes, told ones too; how many went. Call it with the collection's row held."""
    gone, count = set(attributes), 0
    for row in Aggregate.objects.filter(collection=collection).select_for_update():
        kept = {name: of for name, of in read_totals(row.sums, row.replicates).items() if not gone & _parts_of(name)}
        count += len(row.sums) - len(kept)
        row.sums, row.replicates = _write_totals(kept)
        if row.told:
            told = {
                name: of
                for name, of in read_totals(row.told["sums"], row.told_replicates).items()
                if not gone & _parts_of(name)
            }
            row.told["sums"], row.told_replicates = _write_totals(told)
            row.told["together"] = {name: of for name, of in row.told["together"].items() if name in told}
        row.save()
    return count


def read_totals(sums: Mapping[str, Any], replicates: bytes | memoryview) -> dict[str, Totals]:
    """The totals of each scheme by its name, as they are stored."""
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


def read_together(told: Mapping[str, Any]) -> dict[str, Together]:
    """Which classes of each scheme are told together, as a telling settled it."""
    return {
        name: Together(None if of["places"] is None else frozenset(of["places"]), np.array(of["since"]))
        for name, of in told.get("together", {}).items()
    }


def list_schemes(sums: Mapping[str, Any], *, taxonomy: str | None = None) -> list[Scheme]:
    """The schemes that there are sums of, attributes before what crosses them; race in a taxonomy, or as it is told."""
    classes = {name: tuple(of.labels) for name, of in ATTRIBUTES.items() if name in sums}
    return [of for of in schemes.standard_schemes(classes, taxonomy=taxonomy) if of.name in sums]


def _hold(collection: int, *, version: ModelVersion) -> Aggregate:
    Aggregate.objects.get_or_create(collection_id=collection, model_version=version)
    return Aggregate.objects.select_for_update().get(collection_id=collection, model_version=version)


def _list_faces(found: "Sequence[AnalyzedFace]", *, attributes: Iterable[str]) -> Faces:
    """The faces of one photo, their probabilities rounded as a report's are."""
    names = [name for name in ATTRIBUTES if name in set(attributes)]
    posteriors = {name: np.array([face.probabilities[name] for face in found], dtype=np.float16) for name in names}
    classes = {name: tuple(ATTRIBUTES[name].labels) for name in names}
    return Faces(np.zeros(len(found), int), classes, predict_from(posteriors), posteriors)


def _add_counts(row: Aggregate, *, faces: Faces) -> None:
    """One weight for each replicate, the same in all schemes. It is drawn afresh and kept nowhere."""
    found = read_totals(row.sums, row.replicates)
    weights = totals.draw_weights(np.random.default_rng())
    for scheme in schemes.standard_schemes(faces.classes):
        before = found.get(scheme.name) or Totals.empty(classes=scheme.solving_count)
        found[scheme.name] = before.add(totals.count_classes(faces, scheme=scheme), weights=weights)
    row.sums, row.replicates = _write_totals(found)


def _write_totals(found: Mapping[str, Totals]) -> tuple[dict[str, Any], bytes]:
    names = sorted(found)
    sums = {name: {"counts": found[name].counts.tolist(), "photos": found[name].photos} for name in names}
    columns = [found[name].replicates for name in names]
    return sums, np.hstack(columns).astype(_WIDTH).tobytes() if columns else b""


def _tell(row: Aggregate) -> None:
    """Let the sums be told as they are now; in the transaction that changed them."""
    before = read_together(row.told)
    together: dict[str, Together] = {}
    for scheme in list_schemes(row.sums):
        counts = np.array(row.sums[scheme.name]["counts"])
        if len(scheme.parts) == 1:
            together[scheme.name] = merging.merge_small(counts, before=before.get(scheme.name, NOTHING))
            continue
        rows = together[scheme.parts[0].attribute].places
        cells = counts.reshape(len(scheme.parts[0].places), -1)
        everything = range(len(cells)) if rows is None else rows
        together[scheme.name] = merging.merge_rows(cells, rows=everything, before=before.get(scheme.name, NOTHING))
    row.told = {
        "photos": row.photos,
        "photos_with_faces": row.photos_with_faces,
        "faces": row.faces,
        "narrow_faces": row.narrow_faces,
        "sums": row.sums,
        "together": {
            name: {"places": None if of.places is None else sorted(of.places), "since": of.since.tolist()}
            for name, of in together.items()
        },
    }
    row.told_replicates = row.replicates
    row.told_photos, row.told_faces, row.told_at = row.photos_with_faces, row.faces, timezone.now()


def _parts_of(scheme: str) -> set[str]:
    return set(scheme.split(_CROSS))
