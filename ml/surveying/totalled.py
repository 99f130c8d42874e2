"""The report of a collection that keeps sums and no faces: adjusted shares, small numbers told together, no more.

All of it is computed from the cells that `ml.shares.merging` lets be told, so that no other number stands in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from ml.shares import faces as faces_
from ml.shares import merging, schemes, sensitivity, totals
from ml.shares.errors import NoEvidence, NoFaces
from ml.shares.evidence import Evidence
from ml.shares.merging import LEAST, OTHERS, Partition
from ml.shares.resampling import Bootstrap
from ml.shares.result import ADJUSTED, Shares
from ml.shares.schemes import Scheme
from ml.shares.sensitivity import LARGEST_SHIFT, SHARES_DIFFER, Caution, Range
from ml.shares.totals import Totals
from ml.surveying import words
from ml.surveying.computing import FEW_FACES, Known
from ml.surveying.estimating import ASSUMPTION, tell_cautions, widen_certain
from ml.surveying.report import Group, Report, Row, Table

ONLY_SUMS = (
    "Only sums are kept of this collection: each photo was deleted, with its faces, when it was counted. There is "
    "nothing to review and nothing to filter by."
)
NOTHING_TOLD = (
    f"No share can be told yet: each would tell of fewer than {LEAST} faces, by itself or by what is left of others."
)


@dataclass(frozen=True)
class Told:
    """The sums of the photos that one model version looked at, as they were told at a moment.

    By attribute: its classes, its totals, and which classes are told together (None: nothing can be told).
    """

    known: Known
    classes: Mapping[str, tuple[str, ...]]
    totals: Mapping[str, Totals]
    together: Mapping[str, Sequence[int] | None]
    photos: int
    photos_with_faces: int
    faces: int
    narrow_faces: int
    at: datetime


def compute_report(told: Sequence[Told], *, source: str, narrowest_px: int, taxonomy: str | None) -> Report:
    """The report of the sums of most faces; where several versions looked, those of each beside it, never mixed.

    Raises NoFaces where nothing can be told, NoEvidence where it is not known how the model errs: counted labels alone
    are no answer, and reviews, which would need no such knowledge, are not to be had.
    """
    first, *others = sorted(told, key=lambda of: -of.faces)
    if first.known.evidence is None:
        raise NoEvidence("no_matrix", f"Only sums are kept here, and they tell nothing yet: {first.known.no_evidence}.")
    tables, notes = _tabulate_all(first, taxonomy=taxonomy)
    if not tables:
        raise NoFaces("no_faces", NOTHING_TOLD)
    report = Report(
        source=source,
        created_at=first.at.replace(microsecond=0),
        model=first.known.model,
        photos=first.photos,
        photos_read=first.photos,
        photos_with_faces=first.photos_with_faces,
        faces=first.faces,
        basis=ADJUSTED,
        assumption=tables[0].assumption,
        tables=tuple(tables),
        crossings=(),
        cells=None,
        photos_with={},
        widths={},
        quality=(),
        left_out=_tell_narrow(first.narrow_faces, narrowest_px=narrowest_px),
        notes=(*_list_limits(first), *notes, "Faces that were not found are not counted."),
        grouped_by="model version" if others else "",
        groups=tuple(_tell_version(of, taxonomy=taxonomy) for of in (first, *others)) if others else (),
    )
    methods = words.write_methods_of_totals(report, narrowest_px=narrowest_px)
    return replace(report, methods=methods, bibtex=words.BIBTEX)


def _tell_narrow(count: int, *, narrowest_px: int) -> dict[str, int]:
    """A small number only as what it is under, whether there was any or none."""
    if count < LEAST:
        return {f"faces at most, narrower than {narrowest_px} px": LEAST - 1}
    return {f"faces narrower than {narrowest_px} px": count}


def _list_limits(told: Told) -> list[str]:
    few = f"Only {told.faces} faces: intervals of so few say little, and no share should be quoted."
    return [
        *([few] if told.faces < FEW_FACES else []),
        ONLY_SUMS,
        f"Told as of {told.at:%-d %B %Y, %H:%M} UTC, and anew when at least {LEAST} more faces of several photos came.",
    ]


def _tell_version(told: Told, *, taxonomy: str | None) -> Group:
    try:
        tables, _ = _tabulate_all(told, taxonomy=taxonomy)
    except NoEvidence:
        tables = []
    limit = "" if tables else "nothing of it can be told"
    return Group(told.known.model.name, told.faces, told.photos_with_faces, tuple(tables), limit)


def _tabulate_all(told: Told, *, taxonomy: str | None) -> tuple[list[Table], list[str]]:
    """The table of each scheme that can be told, and sentences on what is told together or not at all."""
    evidence = told.known.evidence
    if evidence is None:
        raise NoEvidence("no_matrix", told.known.no_evidence)
    notes, tables = [], []
    for attribute, classes in told.classes.items():
        scheme = schemes.single(attribute, classes=classes, taxonomy=taxonomy if attribute == "race" else None)
        cells = _choose_cells(scheme, together=told.together.get(attribute))
        if cells is None:
            notes.append(f"Nothing is told of {attribute}: some labels were counted for fewer than {LEAST} faces.")
            continue
        try:
            table = _estimate(told.totals[attribute], scheme=scheme, cells=cells, evidence=evidence)
        except (NoEvidence, NoFaces) as error:
            notes.append(f"Nothing is told of {attribute}: {error}.")
            continue
        tables.append(replace(table, cautions=_find_cautions(attribute, told=told, evidence=evidence)))
        notes += _tell_together(scheme, cells=cells)
    return tables, notes


def _choose_cells(scheme: Scheme, *, together: Sequence[int] | None) -> Partition | None:
    """None where nothing can be told, also where all of it is one label of this taxonomy."""
    if together is None:
        return None
    cells = merging.part_cells(scheme.parts[0], together=together)
    return cells if len(cells.labels) > 1 else None


def _tell_together(scheme: Scheme, *, cells: Partition) -> list[str]:
    joined = [label for label in scheme.labels if label not in cells.labels]
    if not joined:
        return []
    names = ", ".join(label.replace("_", " / ") for label in joined)
    return [
        f"“{OTHERS.capitalize()}” of {scheme.name} are {names}: of at least one of them fewer than {LEAST} faces were "
        "counted, so they are told together."
    ]


def _estimate(found: Totals, *, scheme: Scheme, cells: Partition, evidence: Evidence) -> Table:
    bootstrap = Bootstrap(replicates=len(found.replicates))
    shares = totals.estimate_shares(found, evidence=evidence, scheme=scheme, cells=cells, bootstrap=bootstrap)
    shares = widen_certain(shares, photos=found.photos)
    span = sensitivity.find_range_of(
        lambda part: totals.point_shares(found, evidence=part, scheme=scheme, cells=cells),
        evidence=evidence,
        scheme=scheme,
    )
    counted = (found.counts @ cells.solve @ cells.tell).astype(int)
    rows = tuple(_tell_row(k, shares=shares, counted=counted, span=span) for k in range(len(shares.labels)))
    assumption = ASSUMPTION.format(name=evidence.name)
    return Table(scheme.name, scheme.taxonomy, ADJUSTED, rows, shares.faces, assumption=assumption, parts=span.parts)


def _tell_row(k: int, *, shares: Shares, counted: np.ndarray, span: Range) -> Row:
    return Row(
        label=shares.labels[k],
        raw=float(counted[k] / counted.sum()),
        n=int(counted[k]),
        share=float(shares.share[k]),
        estimator=ADJUSTED,
        low=float(shares.low[k]),
        high=float(shares.high[k]),
        bound=shares.bounds[k],
        sensitivity_low=float(span.low[k]),
        sensitivity_high=float(span.high[k]),
    )


def _find_cautions(attribute: str, *, told: Told, evidence: Evidence) -> tuple[str, ...]:
    """Reasons to doubt an attribute's shares: those of others that are far from the held-out faces'.

    How large, sharp and bright the faces were is not known any more.
    """
    cautions: list[Caution] = []
    for other in (told.classes.keys() & evidence.actual.keys()) - {attribute}:
        cautions += _compare_shares(other, told=told, evidence=evidence)
    cautions.sort(key=lambda caution: -abs(caution.here - caution.there))
    return tell_cautions(cautions, name=evidence.name)


def _compare_shares(attribute: str, *, told: Told, evidence: Evidence) -> list[Caution]:
    other = schemes.single(attribute, classes=told.classes[attribute])
    cells = _choose_cells(other, together=told.together.get(attribute))
    if cells is None:
        return []
    try:
        here = totals.point_shares(told.totals[attribute], evidence=evidence, scheme=other, cells=cells)
    except NoEvidence:
        return []
    actual = faces_.actual_places(evidence.actual, scheme=other)
    numbers = np.bincount(actual[actual >= 0], minlength=other.solving_count) @ cells.solve
    there = cells.fold_shares(numbers / max(1, numbers.sum()))
    return [
        Caution(SHARES_DIFFER, attribute, cells.labels[k], float(here[k]), float(there[k]))
        for k in np.flatnonzero(np.abs(here - there) > LARGEST_SHIFT)
    ]
