"""How a model card writes measures: shares with their intervals, and what attributes and data sets are called."""

from ml import labels
from ml.measuring.tables import AttributeMeasures, Evaluation, Number, Share
from ml.reporting import markdown, numbers

DATA_SETS = {"fairface_val": "FairFace's validation set", "utkface": "UTKFace"}


def name_data(report: Evaluation) -> str:
    """What a data set is called in a sentence."""
    name = report.data.name
    return DATA_SETS.get(name, markdown.escape(name))


def name_source(source: str) -> str:
    """Where a data set was read from, without saying a word twice."""
    return markdown.escape(", ".join(dict.fromkeys(source.split(", "))))


def name_attribute(attribute: str, table: AttributeMeasures) -> str:
    """An attribute with its grouping, where there is more than one way to part it."""
    if table.grouping in labels.TAXONOMIES:
        return f"{attribute} ({table.grouping})"
    return attribute if len(table.names) == 2 else f"{attribute} ({len(table.names)} groups)"


def capital(words: str) -> str:
    """Words as a heading or a sentence begins."""
    return words[:1].upper() + words[1:]


def with_interval(value: Number, low: Number, high: Number) -> str:
    """`72.8 (68.6 to 76.7)`."""
    return numbers.NOTHING if value is None else f"{share(value)} ({numbers.interval(low, high)})"


def accuracy(part: Share | None) -> str:
    """The accuracy of a part that may be empty, or not measured."""
    return with_interval(part.accuracy, part.low, part.high) if part else numbers.NOTHING


def share(value: Number) -> str:
    """Per cent without the sign: a card says once that its numbers are."""
    return numbers.percent(value).removesuffix(" %")


def tell_steps(attribute: str, table: AttributeMeasures) -> str:
    """Of an ordinal attribute, ages: how many are at most one bin off, and the error in years."""
    told = []
    if table.steps:
        told.append(f"{numbers.percent(table.steps.within_one_bin)} of the {attribute}s are at most one bin off")
    if (years := table.years) and years.mean_absolute_error_years is not None:
        told.append(
            f"the expected {attribute} is {years.mean_absolute_error_years:.1f} years off on average "
            f"({years.bias_years:+.1f} in the mean)"
        )
    return f"{capital('; '.join(told))}." if told else ""
