"""How a model card writes measures: shares with their intervals, and what attributes and data sets are called."""

from collections.abc import Iterable

from ml import labels
from ml.measuring.tables import AttributeMeasures, Evaluation, Number, Share
from ml.reporting import numbers

DATA_SETS = {"fairface_val": "FairFace's validation set", "utkface": "UTKFace"}


def name_data(report: Evaluation) -> str:
    """What a data set is called in a sentence."""
    return DATA_SETS.get(report.data.name, report.data.name)


def name_source(source: str) -> str:
    """Where a data set was read from, without saying a word twice."""
    return ", ".join(dict.fromkeys(source.split(", ")))


def name_attribute(attribute: str, table: AttributeMeasures) -> str:
    """An attribute with its grouping, where there is more than one way to part it."""
    if table.grouping in labels.TAXONOMIES:
        return f"{attribute} ({table.grouping})"
    return attribute if len(table.names) == 2 else f"{attribute} ({len(table.names)} groups)"


def header(*first: str, names: Iterable[str], told: str = "") -> list[str]:
    """A table's columns, the last of which are named by attribute."""
    return [*first, *(f"{name} {told}".strip() for name in names)]


def with_interval(value: Number, low: Number, high: Number) -> str:
    """`72.8 (68.6 to 76.7)`."""
    return numbers.NOTHING if value is None else f"{share(value)} ({numbers.interval(low, high)})"


def accuracy(part: Share | None) -> str:
    """The accuracy of a part that may be empty, or not measured."""
    return with_interval(part.accuracy, part.low, part.high) if part else numbers.NOTHING


def share(value: Number) -> str:
    """Per cent without the sign: a card says once that its numbers are."""
    return numbers.percent(value).removesuffix(" %")
