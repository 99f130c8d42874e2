"""One scheme of a collection: counted labels, and the best estimate that reviews and evidence allow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.calibration import Thresholds, least_probabilities
from ml.shares import adjusted, answers, counted, intervals, reviewed, sensitivity
from ml.shares.answers import Answers
from ml.shares.errors import NoEvidence, NoFaces, SharesError
from ml.shares.evidence import Evidence
from ml.shares.faces import Faces
from ml.shares.resampling import Bootstrap
from ml.shares.result import ADJUSTED, COUNTED, LOWER, REVIEWED, UPPER, Shares
from ml.shares.schemes import OWN, Scheme
from ml.surveying.report import Row, Table
from ml.surveying.reviewing import ReviewedDraw

ASSUMPTION = "if the model errs here as on {name}"
REVIEWED_ASSUMPTION = "as people perceive a random sample of the faces"
LEAST_WIDTH = 1e-9  # of an interval that says anything
COUNTED_ASSUMPTION = "labels as the model said them, added up: its errors are not corrected"


@dataclass(frozen=True)
class Means:
    """What an estimate can be made with. `no_evidence` says why there is none."""

    evidence: Evidence | None
    no_evidence: str
    reviews: ReviewedDraw | None
    bootstrap: Bootstrap


@dataclass(frozen=True)
class Estimate:
    """A table with the shares behind it, None of counted labels, and the answers, None without any."""

    table: Table
    shares: Shares | None = None
    answers: Answers | None = None


def estimate(
    faces: Faces,
    *,
    scheme: Scheme,
    means: Means,
    unsure: np.ndarray | None,
    domain: np.ndarray | None = None,
) -> Estimate:
    """The headline of a scheme. `unsure` (N,) marks doubtful faces; `domain` (N,) is a filter over the draw's faces.

    Raises NoFaces where no face has a label.
    """
    of_domain = faces if domain is None else faces.take(domain)
    told = counted.count_labels(
        of_domain, scheme=scheme, unsure=unsure if unsure is None or domain is None else unsure[domain]
    )
    counts = _Counts(told, known=unsure is not None)
    if (found := _try_reviews(scheme, means=means, domain=domain)) is not None:
        shares, said = found
        if shares.reviewed >= reviewed.HEADLINE_FROM:
            return Estimate(counts.tabulate(shares, assumption=REVIEWED_ASSUMPTION), shares, said)
    said_of = None if found is None else found[1]
    beside = () if found is None else counts.list_rows(found[0])
    if means.evidence is None:
        plain = counts.tabulate(None, assumption=COUNTED_ASSUMPTION, limit=means.no_evidence, beside=beside)
        return Estimate(plain, None, said_of)
    try:
        shares = adjusted.estimate_shares(of_domain, evidence=means.evidence, scheme=scheme, bootstrap=means.bootstrap)
        shares = widen_certain(shares, photos=of_domain.count_photos())
        span = sensitivity.find_range(of_domain, evidence=means.evidence, scheme=scheme)
    except NoEvidence as error:
        plain = counts.tabulate(None, assumption=COUNTED_ASSUMPTION, limit=str(error), beside=beside)
        return Estimate(plain, None, said_of)
    cautions = sensitivity.find_cautions(of_domain, evidence=means.evidence, scheme=scheme)
    name = means.evidence.name
    return Estimate(
        counts.tabulate(
            shares,
            assumption=ASSUMPTION.format(name=name),
            span=span,
            cautions=tell_cautions(cautions, name=name),
            beside=beside,
        ),
        shares,
        said_of,
    )


def find_unsure(
    faces: Faces,
    *,
    scheme: Scheme,
    thresholds: Thresholds,
    marked: Mapping[str, np.ndarray],
    cut_off: np.ndarray | None = None,
) -> np.ndarray | None:
    """(N,) whether the model is unsure of any part of a scheme; None where that cannot be told.

    By the thresholds of the part's taxonomy, age by that of its nine bins; where a file says it itself, as it says.
    Of faces that are `cut_off` (N,) it is unsure of all parts.
    """
    found = np.zeros(len(faces), dtype=bool) if cut_off is None else cut_off.copy()
    for part in scheme.parts:
        attribute = part.attribute
        vectors = faces.posteriors.get(attribute)
        taxonomy = attribute if attribute != "race" or part.taxonomy == OWN else part.taxonomy
        if vectors is not None and taxonomy in thresholds.get(attribute, {}):
            top = vectors.astype(np.float32) @ part.fold.astype(np.float32) if attribute == "race" else vectors
            total = top.sum(axis=1, dtype=np.float32)
            names = part.labels if attribute == "race" else faces.classes[attribute]
            least = least_probabilities(thresholds, attribute, taxonomy=taxonomy, names=names)
            found |= top.max(axis=1) < least[top.argmax(axis=1)] * np.where(total > 0, total, 1)
        elif attribute in marked:
            found |= marked[attribute]
        else:
            return None
    return found


def widen_certain(shares: Shares, *, photos: int) -> Shares:
    """Adjusted shares whose intervals without any width are told by Wilson's bound for so many photos.

    No resample holds a label that was never counted, so a bootstrap is sure that there is none: of few photos it
    must not be.
    """
    is_point = shares.high - shares.low < LEAST_WIDTH
    nothing, all_ = is_point & (shares.share < 0.5), is_point & (shares.share >= 0.5)
    low, high = intervals.wilson(shares.share, count=np.full(len(shares.share), photos))
    bounds = np.select([nothing, all_], [UPPER, LOWER], np.array(shares.bounds, dtype=object))
    return replace(
        shares,
        low=np.where(is_point, np.where(nothing, 0.0, low), shares.low),
        high=np.where(is_point, np.where(nothing, high, 1.0), shares.high),
        bounds=tuple(str(bound) for bound in bounds),
    )


def tell_cautions(cautions: Sequence[sensitivity.Caution], *, name: str) -> tuple[str, ...]:
    """In sentences; of each attribute the label that differs most, since one share's gain is another's loss."""
    first: dict[str, sensitivity.Caution] = {}
    for caution in cautions:
        first.setdefault(caution.subject, caution)
    told = (sensitivity.describe(caution, name=name) for caution in first.values())
    return tuple(re.sub(r"(?<=\d)%", " %", text) for text in told)


def _try_reviews(scheme: Scheme, *, means: Means, domain: np.ndarray | None) -> tuple[Shares, Answers] | None:
    """None without answers about this scheme, or while a stratum has none."""
    if means.reviews is None or not set(scheme.attributes) <= means.reviews.reviews.answers.keys():
        return None
    draw = means.reviews.draw
    try:
        said = answers.gather(means.reviews.reviews, scheme=scheme, drawn=len(draw))
        return reviewed.estimate_shares(said, draw=draw, domain=means.reviews.within(domain)), said
    except SharesError as error:
        if isinstance(error, NoFaces) or error.code == "stratum_unanswered":
            return None
        raise


class _Counts:
    """Counted labels as the rows of a table, with an estimate in front of them."""

    def __init__(self, told: counted.Counted, *, known: bool) -> None:
        self._told, self._known = told, known

    def tabulate(
        self,
        shares: Shares | None,
        *,
        assumption: str,
        span: sensitivity.Range | None = None,
        limit: str = "",
        cautions: tuple[str, ...] = (),
        beside: tuple[Row, ...] = (),
    ) -> Table:
        told = self._told
        estimator = COUNTED if shares is None else shares.estimator
        rows = self.list_rows(shares, span=span)
        unsure = float(told.unsure.sum() / told.faces) if self._known else None
        return Table(
            told.scheme, told.taxonomy, estimator, rows, told.faces, told.unanswered, unsure,
            assumption, limit, cautions, span.parts if span else (), beside=beside,
        )  # fmt: skip

    def list_rows(self, shares: Shares | None, *, span: sensitivity.Range | None = None) -> tuple[Row, ...]:
        labels = self._told.labels if shares is None else shares.labels
        return tuple(self._row(k, label, shares=shares, span=span) for k, label in enumerate(labels))

    def _row(self, k: int, label: str, *, shares: Shares | None, span: sensitivity.Range | None) -> Row:
        told = self._told
        is_label = k < len(told.labels)
        raw, n = (float(told.share[k]), int(told.counts[k])) if is_label else (None, 0)
        unsure = int(told.unsure[k]) if self._known and is_label else None
        if shares is None:
            return Row(label, raw, n, float(told.share[k]), COUNTED, unsure)
        return Row(
            label, raw, n, float(shares.share[k]), shares.estimator, unsure,
            float(shares.low[k]), float(shares.high[k]), shares.bounds[k],
            None if span is None else float(span.low[k]),
            None if span is None else float(span.high[k]),
            shares.reviewed,
        )  # fmt: skip


def tabulate_counts(told: counted.Counted, *, known: bool, limit: str) -> Table:
    """Counted labels as a table, which `limit` says why nothing corrects; `known`: their doubts were counted."""
    return _Counts(told, known=known).tabulate(None, assumption=COUNTED_ASSUMPTION, limit=limit)


def weakest(tables: tuple[Table, ...]) -> str:
    """The estimator of several tables that promises least."""
    ranks = (COUNTED, ADJUSTED, REVIEWED)
    return min((table.estimator for table in tables), key=ranks.index, default=COUNTED)
