"""The report of a collection, as plain values: what pages, JSON and CSV are drawn from. Nothing is computed here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FORMAT = 1


@dataclass(frozen=True)
class Row:
    """One label: shares in 0..1.

    `raw` is the counted share, None of "cannot tell"; `n` are the faces counted as it, `unsure` those of them of which
    the model is unsure, None where that is not known. `low` and `high` are None of counted labels; `bound` says which
    of them may be told: both, upper, lower, neither. `reviewed` are the answers that the share rests on.
    """

    label: str
    raw: float | None
    n: int
    share: float
    estimator: str
    unsure: int | None = None
    low: float | None = None
    high: float | None = None
    bound: str = "both"
    sensitivity_low: float | None = None
    sensitivity_high: float | None = None
    reviewed: int = 0


@dataclass(frozen=True)
class Table:
    """The labels of an attribute, or of several crossed.

    `estimator` is counted, adjusted or reviewed; `limit` says why it is no better one, empty where it could not be.
    `unsure` is the share (0..1) of the counted faces of which the model is unsure, None where not known; `faces` are
    those with a label, `unanswered` those without one. `cautions` are reasons to doubt the assumption; `parts` are the
    held-out faces that the sensitivity range goes over. `crossed` are the labels of each attribute of cells.
    """

    name: str
    taxonomy: str
    estimator: str
    rows: tuple[Row, ...]
    faces: int
    unanswered: int = 0
    unsure: float | None = None
    assumption: str = ""
    limit: str = ""
    cautions: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    crossed: tuple[tuple[str, ...], ...] = ()

    def find(self, label: str) -> Row:
        """The row of a label. Raises StopIteration where there is none."""
        return next(row for row in self.rows if row.label == label)


@dataclass(frozen=True)
class PhotoRow:
    """Photos with at least one counted face: the shares that show a label, and that show no other."""

    label: str
    any: float
    any_low: float
    any_high: float
    only: float
    only_low: float
    only_high: float


@dataclass(frozen=True)
class WidthRow:
    """How wide the faces counted as a label are, as a part of their picture's width; None without such faces."""

    label: str
    n: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class QualityRow:
    """Quantiles of a measure of the counted faces; `known_low` and `known_high` are the held-out ones' 5th and 95th."""

    measure: str
    p5: float
    median: float
    p95: float
    known_low: float | None = None
    known_high: float | None = None


@dataclass(frozen=True)
class AccuracyRow:
    """How often the counted label is what reviewers said; None where nothing was answered."""

    part: str
    share: float | None
    low: float | None
    high: float | None
    bound: str
    examined: float


@dataclass(frozen=True)
class GroupedAccuracy:
    """How often it is right about those whom reviewers perceive as each label of another attribute."""

    attribute: str
    rows: tuple[AccuracyRow, ...]


@dataclass(frozen=True)
class ReliabilityRow:
    """Faces whose largest probability is from `low` to `high`: its mean, and how often the label is right (0..1)."""

    low: float
    high: float
    confidence: float
    right: AccuracyRow


@dataclass(frozen=True)
class Accuracy:
    """Of one attribute: overall, by what reviewers said, by what the model said, by other attributes.

    `reliability` has the bins that somebody answered in; `left_out` are answered faces that the model was trained on.
    """

    name: str
    overall: AccuracyRow
    by_answer: tuple[AccuracyRow, ...]
    by_label: tuple[AccuracyRow, ...]
    by_group: tuple[GroupedAccuracy, ...] = ()
    reliability: tuple[ReliabilityRow, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class AgreementRow:
    """How far reviewers agree about an attribute; None where only one label was ever said."""

    name: str
    raw: float
    kappa: float | None
    ac1: float | None
    alpha: float | None
    faces: int
    reviewers: int


@dataclass(frozen=True)
class MissedFaces:
    """The share of all faces that was not found, from `photos` that people looked at."""

    share: float
    low: float
    high: float
    photos: int


@dataclass(frozen=True)
class PlanRow:
    """So many (more) answers would bring the widest interval of an attribute to about ± `half_width`."""

    name: str
    reviews: int
    half_width: float
    more: bool


@dataclass(frozen=True)
class DifferenceRow:
    """First minus second, shares in 0..1; `p` is corrected by Holm, `h` is Cohen's."""

    label: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    h: float


@dataclass(frozen=True)
class Comparison:
    """This collection against another, or against reference shares. `w` is Cohen's, None where it has no value."""

    name: str
    against: str
    kind: str  # "reference" or "collection"
    estimators: tuple[str, str]
    rows: tuple[DifferenceRow, ...]
    w: float | None
    p_overall: float


@dataclass(frozen=True)
class Group:
    """A part of the collection, as --by tells it."""

    value: str
    faces: int
    photos: int
    tables: tuple[Table, ...]
    limit: str = ""


@dataclass(frozen=True)
class Model:
    """Whose predictions these are; `sha256` is empty where that is not known."""

    name: str
    sha256: str = ""
    trained_on: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Reviewing:
    """How the faces were drawn and looked at; `draw` and `codebook` name which, where that is known."""

    drawn: int
    answered: int
    reviewers: int
    strata: str
    draw: str = ""
    codebook: str = ""


@dataclass(frozen=True)
class Report:
    """Who is pictured in a collection, as perceived. `basis` is the weakest estimator of the headline tables."""

    source: str
    created_at: datetime
    model: Model
    photos: int
    photos_read: int
    photos_with_faces: int
    faces: int
    basis: str
    assumption: str
    tables: tuple[Table, ...]
    crossings: tuple[Table, ...]
    cells: Table | None
    photos_with: Mapping[str, tuple[PhotoRow, ...]]
    widths: Mapping[str, tuple[WidthRow, ...]]
    quality: tuple[QualityRow, ...]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]
    methods: str = ""
    bibtex: str = ""
    reviewing: Reviewing | None = None
    accuracy: tuple[Accuracy, ...] = ()
    agreement: tuple[AgreementRow, ...] = ()
    missed: MissedFaces | None = None
    plan: tuple[PlanRow, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    grouped_by: str = ""
    groups: tuple[Group, ...] = field(default=())

    @property
    def cautions(self) -> tuple[str, ...]:
        """Those of all headline tables, each once."""
        return tuple(dict.fromkeys(text for table in self.tables for text in table.cautions))
