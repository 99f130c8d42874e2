"""The report of a collection, computed: from its faces, what is known of the model's errors, and what people said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from ml.calibration import Thresholds
from ml.shares import counted, planning, schemes
from ml.shares.errors import NoEvidence, NoFaces, SharesError
from ml.shares.evidence import Evidence
from ml.shares.resampling import Bootstrap
from ml.shares.result import REVIEWED
from ml.shares.reviewed import HEADLINE_FROM
from ml.shares.schemes import Scheme
from ml.surveying import against, estimating, parts, reviewed_parts, words
from ml.surveying.estimating import Estimate, Means
from ml.surveying.reading import count_reasons
from ml.surveying.report import Comparison, Group, Model, PlanRow, Report, Reviewing, Table
from ml.surveying.reviewing import Reviewed
from ml.surveying.survey import Survey

FEW_FACES = 30  # under which an interval says little, and the report says so


@dataclass(frozen=True)
class Known:
    """What is known of the model: `thresholds` of "unsure" per attribute and taxonomy, `evidence` of its errors.

    `no_evidence` says in a sentence why there is none. `learned_from` are reviewed faces, by what a site calls them,
    of which it was taught the answer.
    """

    model: Model
    evidence: Evidence | None = None
    no_evidence: str = ""
    thresholds: Thresholds = field(default_factory=dict)
    learned_from: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """What the report shall tell: race in this taxonomy (None: the model's own), against what, by what resamples.

    `tell` is called with how far the work is, 0 to 1.
    """

    taxonomy: str | None = None
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    reference: against.Reference | None = None
    other: Survey | None = None
    other_known: Known | None = None
    other_reviewed: Reviewed | None = None
    tell: Callable[[float], None] = lambda part: None


def compute_report(
    survey: Survey, *, known: Known, reviewed: Reviewed | None = None, request: Request | None = None
) -> Report:
    """All of the report. Raises NoFaces where no attribute has an answer, BadInput for a taxonomy that does not fit.

    What cannot be had is no error: the counted labels stand there, with the reason.
    """
    request, reviewed = request or Request(), reviewed or Reviewed()
    means = Means(known.evidence, known.no_evidence, reviewed.faces, request.bootstrap)
    found = _estimate_all(survey, means=means, known=known, request=request)
    kept = {scheme: estimate for scheme, estimate in found.items() if estimate is not None}
    single = {scheme: estimate for scheme, estimate in kept.items() if len(scheme.parts) == 1}
    if not single:
        raise NoFaces("no_faces", "no face has a label of any attribute")
    tables = tuple(estimate.table for estimate in single.values())
    comparisons = _compare(single, known=known, request=request, reviewed=reviewed)
    report = Report(
        source=survey.source,
        created_at=datetime.now(UTC).replace(microsecond=0),
        model=known.model,
        photos=survey.photos.received,
        photos_read=survey.photos.read,
        photos_with_faces=survey.faces.count_photos(),
        faces=len(survey),
        basis=estimating.weakest(tables),
        assumption=next(table.assumption for table in tables if table.estimator == estimating.weakest(tables)),
        tables=tables,
        crossings=tuple(estimate.table for scheme, estimate in kept.items() if len(scheme.parts) > 1),
        cells=count_cells(survey, known=known, taxonomy=request.taxonomy),
        photos_with=parts.share_photos(survey, schemes=list(single), bootstrap=request.bootstrap),
        widths=parts.measure_widths(survey, schemes=list(single), bootstrap=request.bootstrap),
        quality=parts.measure_quality(survey, evidence=known.evidence),
        left_out=dict(count_reasons(survey)),
        notes=(
            *_list_notes(survey, known=known, single=single, reviewed=reviewed, gone=len(found) - len(kept)),
            *_tell_not_compared(single, comparisons=comparisons, request=request),
        ),
        reviewing=_tell_reviewing(reviewed),
        accuracy=reviewed_parts.measure_accuracy(survey, found=single, reviews=reviewed.faces),
        agreement=reviewed_parts.measure_agreement(list(single), reviews=reviewed.faces),
        missed=reviewed_parts.tell_missed(reviewed.missed),
        plan=_plan(survey, found=single, known=known, reviewed=reviewed),
        comparisons=comparisons,
        grouped_by=survey.groups.column if survey.groups else "",
        groups=_tell_groups(survey, found=single, means=means, known=known, tell=request.tell),
    )
    return replace(report, methods=words.write_methods(report, survey=survey), bibtex=words.BIBTEX)


def _estimate_all(survey: Survey, *, means: Means, known: Known, request: Request) -> dict[Scheme, Estimate | None]:
    """Each attribute and crossing; None where no face has an answer."""
    wanted = schemes.standard_schemes(survey.faces.classes, taxonomy=request.taxonomy)
    found = {}
    # Each part of the collection is estimated as all of it is, and comparing takes about as long again.
    steps = len(wanted) * (1 + (len(survey.groups.names) if survey.groups else 0)) + 1
    for scheme in wanted:
        found[scheme] = _estimate(survey, scheme=scheme, means=means, known=known)
        request.tell(len(found) / steps)
    return found


def count_cells(survey: Survey, *, known: Known, taxonomy: str | None) -> Table | None:
    """All attributes crossed, age in the model's own bins: counted labels, which nothing can correct.

    None of a model with one attribute, or where no face has all.
    """
    classes = survey.faces.classes
    if len(classes) < 2:
        return None
    scheme = schemes.crossing(
        *(
            schemes.single(name, classes=names, taxonomy=taxonomy)
            if name == "race"
            else schemes.by_class(name, classes=names)
            for name, names in classes.items()
        )
    )
    unsure = _find_unsure(survey, scheme=scheme, known=known)
    try:
        told = counted.count_labels(survey.faces, scheme=scheme, unsure=unsure)
    except NoFaces:
        return None
    limit = f"{len(told.labels)} cells are too many to be corrected: these are counted labels"
    table = estimating.tabulate_counts(told, known=unsure is not None, limit=limit)
    return replace(table, crossed=tuple(part.labels for part in scheme.parts))


def _estimate(survey: Survey, *, scheme: Scheme, means: Means, known: Known) -> Estimate | None:
    try:
        return estimating.estimate(
            survey.faces, scheme=scheme, means=means, unsure=_find_unsure(survey, scheme=scheme, known=known)
        )
    except NoFaces:
        return None


def _find_unsure(survey: Survey, *, scheme: Scheme, known: Known) -> np.ndarray | None:
    return estimating.find_unsure(
        survey.faces,
        scheme=scheme,
        thresholds=known.thresholds,
        marked=survey.marked_unsure,
        cut_off=survey.cut_off,
    )


def _tell_groups(
    survey: Survey,
    *,
    found: Mapping[Scheme, Estimate],
    means: Means,
    known: Known,
    tell: Callable[[float], None] = lambda part: None,
) -> tuple[Group, ...]:
    """The headline tables of each part of the collection; a part of which nothing can be told says so."""
    if survey.groups is None:
        return ()
    told = []
    for place, name in enumerate(survey.groups.names):
        inside = survey.groups.place == place
        tell((1 + place) / (1 + len(survey.groups.names)))
        if not inside.any():
            told.append(Group(name, 0, 0, (), "no face of it is counted"))
            continue
        tables = []
        for scheme in found:
            unsure = _find_unsure(survey, scheme=scheme, known=known)
            try:
                one = estimating.estimate(survey.faces, scheme=scheme, means=means, unsure=unsure, domain=inside)
            except NoFaces:
                continue
            tables.append(one.table)
        faces = survey.faces.take(inside)
        limit = "" if len(faces) >= FEW_FACES else "few faces: the intervals say little"
        told.append(Group(name, len(faces), faces.count_photos(), tuple(tables), limit))
    return tuple(told)


def _compare(
    found: Mapping[Scheme, Estimate], *, known: Known, request: Request, reviewed: Reviewed
) -> tuple[Comparison, ...]:
    if request.reference is not None:
        return against.compare_reference(found, reference=request.reference, reviews=reviewed.faces)
    if request.other is None:
        return ()
    other_known = request.other_known or known
    other_reviews = request.other_reviewed.faces if request.other_reviewed else None
    means = Means(other_known.evidence, other_known.no_evidence, other_reviews, request.bootstrap)
    others = {
        scheme: _estimate(request.other, scheme=scheme, means=means, known=other_known)
        for scheme in found
        if set(scheme.attributes) <= request.other.faces.classes.keys()
    }
    reviews = (reviewed.faces, other_reviews)
    return against.compare_surveys(found, others=others, name=request.other.source, reviews=reviews)


def _tell_not_compared(
    found: Mapping[Scheme, Estimate], *, comparisons: tuple[Comparison, ...], request: Request
) -> list[str]:
    """Which attributes were to be compared and are not, and why: one side has no interval."""
    if request.reference is not None:
        name, known = request.reference.name, set(request.reference.shares)
    elif request.other is not None:
        name, known = request.other.source, set(request.other.faces.classes)
    else:
        return []
    compared = {of.name for of in comparisons}
    left = [scheme.name for scheme in found if scheme.name in known and scheme.name not in compared]
    return [f"Not compared with {name}: {', '.join(left)}, of which there are only counted labels."] if left else []


def _plan(survey: Survey, *, found: Mapping[Scheme, Estimate], known: Known, reviewed: Reviewed) -> tuple[PlanRow, ...]:
    """What reviews would bring to each attribute, or more of them."""
    rows = []
    for scheme, estimate in found.items():
        try:
            if reviewed.faces is not None and estimate.answers is not None and reviewed.faces.within() is None:
                plans = planning.plan_more(estimate.answers, draw=reviewed.faces.draw)
            elif reviewed.faces is None and known.evidence is not None:
                plans = planning.plan_first(survey.faces, evidence=known.evidence, scheme=scheme)
            else:
                continue
        except (NoEvidence, SharesError):
            continue
        rows += [PlanRow(scheme.name, plan.reviews, plan.widest, reviewed.faces is not None) for plan in plans]
    return tuple(rows)


def _tell_reviewing(reviewed: Reviewed) -> Reviewing | None:
    found = reviewed.faces
    if found is None:
        return None
    return Reviewing(len(found.draw), found.answered, found.reviewers, found.strata.name, found.name, found.codebook)


def _tell_faces(count: int) -> str:
    return "One face" if count == 1 else f"{count:,} faces"


def _list_notes(
    survey: Survey, *, known: Known, single: Mapping[Scheme, Estimate], reviewed: Reviewed, gone: int
) -> tuple[str, ...]:
    """Limits that a reader must know, in sentences."""
    notes = []
    if len(survey) < FEW_FACES:
        faces = "one face" if len(survey) == 1 else f"{len(survey)} faces"
        notes.append(f"Only {faces}: intervals of so few say little, and no share should be quoted.")
    if known.evidence is None and known.no_evidence:
        notes.append(f"Shares are counted labels: {known.no_evidence}.")
    if gone:
        notes.append("An attribute has no answer for any face, and is left out.")
    if cut_off := 0 if survey.cut_off is None else int(survey.cut_off.sum()):
        notes.append(
            f"{cut_off:,} of the faces {'is' if cut_off == 1 else 'are'} cut off at a photo's edge: "
            "they are counted, and the model is unsure of them whatever it says."
        )
    for scheme, estimate in single.items():
        if estimate.table.unsure == 1.0:
            notes.append(f"The model is unsure of the {scheme.name} of every face.")
    if reviewed.faces is not None and reviewed.faces.answered < HEADLINE_FROM:
        count = reviewed.faces.answered
        notes.append(
            f"{count} {'answer is' if count == 1 else 'answers are'} too few for reviewed shares: "
            f"they make the headline from {HEADLINE_FROM} on."
        )
    elif reviewed.faces is not None:
        lacking = [scheme.name for scheme, estimate in single.items() if estimate.table.estimator != REVIEWED]
        if lacking:
            notes.append(
                f"Reviews do not make the headline of {', '.join(lacking)}: under {HEADLINE_FROM} answers in their "
                "turn, or a stratum without any."
            )
    if reviewed.faces is not None and reviewed.faces.uncovered:
        came = _tell_faces(reviewed.faces.uncovered)
        notes.append(f"{came} came after the draw: reviewed shares are of the others until the draw is extended.")
    waiting = max((estimate.shares.waiting for estimate in single.values() if estimate.shares is not None), default=0)
    if waiting:
        notes.append(
            f"{waiting:,} {'answer was' if waiting == 1 else 'answers were'} given out of turn: they count when the "
            "faces before them in the draw are answered."
        )
    if not survey.is_ours:
        notes.append("How the faces were found, and how many were missed, the file does not tell.")
    elif not survey.is_boxed:
        notes.append("The faces came as ready crops: how many faces were missed in their photos is not known.")
    elif reviewed.missed is None:
        notes.append("Faces that were not found are not counted.")
    return tuple(notes)
