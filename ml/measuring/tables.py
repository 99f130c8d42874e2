"""What `measures.measure` finds, as values: shares in 0..1 with 4 digits, intervals of 95 % (Wilson).

None is what cannot be said, as an accuracy of no face. `ml.measuring.stored` writes and reads them as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Number = float | None
Interval = tuple[Number, Number]


@dataclass(frozen=True)
class Share:
    """The accuracy among `n` faces."""

    n: int
    accuracy: Number
    low: Number
    high: Number

    @property
    def interval(self) -> Interval:
        return self.low, self.high


@dataclass(frozen=True)
class Group:
    """One group of an attribute: how many faces are labelled and predicted so, and recall and precision of it."""

    labelled: int
    predicted: int
    recall: Number
    recall_interval: Interval
    precision: Number
    precision_interval: Interval


@dataclass(frozen=True)
class Gap:
    """From the part of the faces that is told right least often to the one told right most often."""

    worst: str
    worst_accuracy: float
    best: str
    best_accuracy: float
    gap: float

    @property
    def ends(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """Both parts with their accuracies, the worst first."""
        return (self.worst, self.worst_accuracy), (self.best, self.best_accuracy)


@dataclass(frozen=True)
class Difference:
    """The largest of fairlearn's differences over the classes, and whose it is."""

    value: float
    of_class: str
    by_class: Mapping[str, Number]


@dataclass(frozen=True)
class Rates:
    """Differences of rates, as `ml.measuring.fairness` defines them; None where too few groups are large enough."""

    demographic_parity: Difference | None
    equalised_odds: Difference | None


@dataclass(frozen=True)
class Parting:
    """Between parts of the faces; `gap` is None with fewer than two parts of enough faces, `rates` None by the very
    attribute that is predicted."""

    gap: Gap | None = None
    rates: Rates | None = None

    @property
    def differences(self) -> tuple[Difference | None, Difference | None]:
        """Of demographic parity, and of equalised odds."""
        return (self.rates.demographic_parity, self.rates.equalised_odds) if self.rates else (None, None)


@dataclass(frozen=True)
class Cell:
    """The faces with these labels, by attribute."""

    labels: Mapping[str, str]
    share: Share

    @property
    def name(self) -> str:
        return ", ".join(self.labels.values())


@dataclass(frozen=True)
class Bin:
    """The faces whose top probability lies from `low` to `high`; `confidence` is its mean."""

    low: float
    high: float
    n: int
    confidence: Number
    accuracy: Number


@dataclass(frozen=True)
class Point:
    """Among the surest share of the faces, all of which have at least this probability."""

    share: float
    n: int
    threshold: Number
    accuracy: Number


@dataclass(frozen=True)
class Confidence:
    """What only probabilities can tell; `ece` is the expected calibration error."""

    ece: Number
    reliability: tuple[Bin, ...]
    accuracy_of_surest_80_percent: Number
    coverage: tuple[Point, ...]


@dataclass(frozen=True)
class Taxonomy:
    """An attribute in a coarser grouping, and the recall of each of its groups."""

    images: int
    accuracy: Number
    low: Number
    high: Number
    balanced_accuracy: Number
    recall: Mapping[str, Number]

    @property
    def share(self) -> Share:
        return Share(self.images, self.accuracy, self.low, self.high)


@dataclass(frozen=True)
class PairGap:
    """Of two labels the recall of each, and the first minus the second."""

    recall: Mapping[str, Number]
    gap: Number


@dataclass(frozen=True)
class Steps:
    """Of labels in an order: how many predictions are at most one bin off, and by how many in the mean."""

    within_one_bin: Number
    mean_bins_off: Number


@dataclass(frozen=True)
class YearsError:
    """Of `n` faces with an exact age; `bias` is predicted minus true, `inside` the share between low and high."""

    n: int
    mean_absolute_error: Number
    bias: Number
    inside: Number = None


@dataclass(frozen=True)
class Years:
    """The error of the age in years, of all and by the labels of each attribute."""

    mean_absolute_error_years: Number
    bias_years: Number
    by: Mapping[str, Mapping[str, YearsError]]
    inside: Number = None


@dataclass(frozen=True)
class SureLabel:
    """The faces called one label and sure, of which there are `n`; `threshold` is None of a label that never is.

    `set_coverage` is the share of the faces labelled so whose set holds it.
    """

    threshold: Number
    n: int
    accuracy: Number
    low: Number
    high: Number
    set_coverage: Number = None


@dataclass(frozen=True)
class Sure:
    """In one grouping, with the `threshold` under which an answer is "unsure"; None where each label has its own.

    Of `images`, `sure` is the share that is not; `accuracy_of_sure` with its interval is that of these, `n` of them.
    `set_coverage` is the share of the images whose set holds their label, `set_size` the mean number of its labels,
    and `set_promise` the coverage that was promised; None without sets.
    """

    threshold: Number
    images: int
    sure: Number
    accuracy_of_sure: Number
    low: Number
    high: Number
    n: int
    by_label: Mapping[str, SureLabel] = field(default_factory=dict)
    set_promise: Number = None
    set_coverage: Number = None
    set_size: Number = None


@dataclass(frozen=True)
class Range:
    """Numbers of which only the bin is known: `coverage` is the part of the bins between low and high.

    `by_bin` is that of each bin's faces, `width` the mean distance from low to high.
    """

    coverage: Number
    width: Number
    by_bin: Mapping[str, Number]


@dataclass(frozen=True)
class AttributeMeasures:
    """One attribute in the finest grouping that both sides can say.

    `grouping` is a taxonomy's name, or empty; `left_out` counts faces by reason; `unanswered` are those whose whole
    probability is in what the grouping leaves out: they are wrong. Rows of `confusion` are labels, its columns
    predictions, both in the order of `names`. `parts` is the accuracy among the faces labelled so, in the data's own
    classes, by labelled attribute; `gaps` likewise. `intersections` are called "race x gender"; `slices` part the faces
    by the picture's quality. Absent: `confidence` where only labels were told, `taxonomies` of what has none,
    `label_gap` (the recall of either label in each group of `labels.BY`) of anything but two labels without an order,
    `steps` of labels in no order, `years` where a side tells none.
    """

    grouping: str
    names: tuple[str, ...]
    images: int
    left_out: Mapping[str, int]
    labels_only: bool
    accuracy: Number
    accuracy_interval: Interval
    balanced_accuracy: Number
    unanswered: int
    groups: Mapping[str, Group]
    confusion: tuple[tuple[int, ...], ...]
    parts: Mapping[str, Mapping[str, Share]]
    gaps: Mapping[str, Parting]
    intersections: Mapping[str, tuple[Cell, ...]]
    slices: Mapping[str, Mapping[str, Share]]
    confidence: Confidence | None = None
    taxonomies: Mapping[str, Taxonomy] | None = None
    label_gap: Mapping[str, PairGap] | None = None
    steps: Steps | None = None
    years: Years | None = None
    range: Range | None = None

    @property
    def ece(self) -> Number:
        """The expected calibration error, None where only labels were told."""
        return self.confidence.ece if self.confidence else None

    @property
    def accuracy_of_surest(self) -> Number:
        """Among the 80 % with the largest probabilities, None where only labels were told."""
        return self.confidence.accuracy_of_surest_80_percent if self.confidence else None

    def gap_by(self, attribute: str) -> Gap | None:
        """From worst to best by another attribute's labels."""
        return self.gaps.get(attribute, Parting()).gap


@dataclass(frozen=True)
class Measures:
    """Everything measured of somebody's predictions.

    `images` are labelled and predicted, `faces` in the data set, `unpredicted` those without a prediction; `left_out`
    counts by reason what the data's reader did not take. `sure` is by attribute and grouping.
    """

    name: str
    images: int
    faces: int
    unpredicted: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    not_measured: Mapping[str, str] = field(default_factory=dict)
    sure: Mapping[str, Mapping[str, Sure]] = field(default_factory=dict)
    attributes: Mapping[str, AttributeMeasures] = field(default_factory=dict)


@dataclass(frozen=True)
class WholeWay:
    """The measures after detection beside those of the same faces' chips; `found` is the share found again."""

    images: int
    found: Number
    found_again: Measures
    same_chips: Measures


@dataclass(frozen=True)
class DataSet:
    """What was measured on; `seen` says that the model was trained on its images."""

    name: str
    source: str
    images: int
    sha256: str
    seen: bool


@dataclass(frozen=True)
class Evaluation:
    """What `ml.evaluate` finds of a checkpoint, or of a CSV, whose hashes, as of a card, are empty."""

    name: str
    sha256: str
    data: DataSet
    measures: Measures
    whole_way: WholeWay | None = None
    answers_sha256: str = ""
