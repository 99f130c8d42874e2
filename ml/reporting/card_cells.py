"""How a model card writes measures: shares with their intervals, and what attributes and data sets are called."""

from collections.abc import Mapping
from typing import Any

from ml import labels
from ml.measuring import measures
from ml.reporting import markdown, numbers

DATA_SETS = {"fairface_val": "FairFace's validation set", "utkface": "UTKFace"}

Report = Mapping[str, Any]
Table = Mapping[str, Any]


def tables_of(found: Report) -> dict[str, Table]:
    """The table of each attribute that `measures.measure` measured, in its order."""
    return {name: found[name] for name in measures.attributes_of(found)}


def name_data(report: Report) -> str:
    """What a data set is called in a sentence."""
    name = report["data"]["name"]
    return DATA_SETS.get(name, markdown.escape(name))


def name_source(report: Report) -> str:
    """Where a data set was read from, without saying a word twice."""
    return markdown.escape(", ".join(dict.fromkeys(report["data"]["source"].split(", "))))


def name_attribute(attribute: str, table: Table) -> str:
    """An attribute with its grouping, where there is more than one way to part it."""
    if table["grouping"] in labels.TAXONOMIES:
        return f"{attribute} ({table['grouping']})"
    return attribute if len(table["names"]) == 2 else f"{attribute} ({len(table['names'])} groups)"


def capital(words: str) -> str:
    """Words as a heading or a sentence begins."""
    return words[:1].upper() + words[1:]


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`72.8 (68.6 to 76.7)`."""
    return numbers.NOTHING if value is None else f"{share(value)} ({numbers.interval(low, high)})"


def accuracy(part: Mapping[str, Any]) -> str:
    """The accuracy of a part that may be empty."""
    return with_interval(part.get("accuracy"), part.get("low"), part.get("high"))


def share(value: float | None) -> str:
    """Per cent without the sign: a card says once that its numbers are."""
    return numbers.percent(value).removesuffix(" %")


def tell_steps(attribute: str, table: Table) -> str:
    """Of an ordinal attribute, ages: how many are at most one bin off, and the error in years."""
    told = []
    if "within_one_bin" in table:
        told.append(f"{numbers.percent(table['within_one_bin'])} of the {attribute}s are at most one bin off")
    if table.get("mean_absolute_error_years") is not None:
        told.append(
            f"the expected {attribute} is {table['mean_absolute_error_years']:.1f} years off on average "
            f"({table['bias_years']:+.1f} in the mean)"
        )
    return f"{capital('; '.join(told))}." if told else ""
