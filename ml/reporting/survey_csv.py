"""The report of a collection as one long CSV: an estimate a row, from the values of its JSON."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from ml.reporting import survey_json
from ml.spreadsheets import guard_cell
from ml.surveying.report import Report

COLUMNS = (
    "section", "group", "attribute", "taxonomy", "label", "estimator", "measure", "value", "low", "high", "bound",
    "sensitivity_low", "sensitivity_high", "n", "reviewed",
)  # fmt: skip

Row = dict[str, Any]


def write_csv(report: Report) -> str:
    """Empty cells where there is nothing; `value` is a share of 0 to 1 but in the section quality."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _list_rows(survey_json.to_values(report)):
        writer.writerow({name: guard_cell(cell) if isinstance(cell, str) else cell for name, cell in row.items()})
    return text.getvalue()


def _list_rows(found: dict[str, Any]) -> Iterator[Row]:
    for section in ("attributes", "crossings"):
        yield from _tables(found[section], section=section, group="")
    for part in found["groups"]:
        yield from _tables(part["attributes"], section="group", group=part["value"])
    for attribute, rows in found["photos_with"].items():
        for row in rows:
            for measure in ("any", "only"):
                interval = {"low": row[f"{measure}_low"], "high": row[f"{measure}_high"]}
                yield _row("photos_with", attribute, row["label"], measure=f"photos_{measure}", value=row[measure]) | {
                    "estimator": "counted",
                    **interval,
                }
    for attribute, rows in found["face_widths"].items():
        for row in rows:
            told = _row("face_widths", attribute, row["label"], measure="mean_width", value=row["mean"])
            yield told | {"estimator": "counted", "low": row["low"], "high": row["high"], "n": row["n"]}
    for attribute, of in found["accuracy"].items():
        for measure, rows in (
            ("accuracy", [of["overall"]]),
            ("recall", of["by_answer"]),
            ("precision", of["by_label"]),
        ):
            yield from _accuracies(attribute, rows, measure=measure)
        for group in of["by_group"]:
            yield from _accuracies(attribute, group["rows"], measure=f"accuracy_by_{group['attribute']}")
        yield from _accuracies(
            attribute, [bin_["right"] for bin_ in of["reliability"]], measure="accuracy_by_probability"
        )
    for of in found["comparisons"]:
        for row in of["rows"]:
            told = _row("comparison", of["name"], row["label"], measure="difference", value=row["difference"])
            yield told | {"group": of["against"], "low": row["low"], "high": row["high"]}
    if found["missed"]:
        of = found["missed"]
        told = _row("missed", "", "", measure="missed_faces", value=of["share"])
        yield told | {"low": of["low"], "high": of["high"], "n": of["photos"]}
    for measure, of in found["quality"].items():
        for name in ("p5", "median", "p95"):
            yield _row("quality", "", name, measure=measure, value=of[name])
    for reason, count in found["left_out"].items():
        yield _row("left_out", "", reason, measure="count", value=count)


def _accuracies(attribute: str, rows: list[dict[str, Any]], *, measure: str) -> Iterator[Row]:
    for row in rows:
        told = _row("accuracy", attribute, row["part"], measure=measure, value=row["share"])
        yield told | {k: row[k] for k in ("low", "high", "bound")} | {"n": row["examined"]}


def _tables(tables: dict[str, Any], *, section: str, group: str) -> Iterator[Row]:
    for attribute, table in tables.items():
        about = {"group": group, "taxonomy": table["taxonomy"]}
        for row in table["rows"]:
            kept = ("estimator", "low", "high", "sensitivity_low", "sensitivity_high", "n", "reviewed")
            told = _row(section, attribute, row["label"], measure="share", value=row["share"])
            bound = {"bound": row["bound"]} if row["low"] is not None else {}
            yield told | about | {k: row[k] for k in kept} | bound
            if row["raw"] is not None and row["estimator"] != "counted":
                told = _row(section, attribute, row["label"], measure="share", value=row["raw"])
                yield told | about | {"estimator": "counted", "n": row["n"]}
        if table["unsure"] is not None:
            told = _row(section, attribute, "unsure", measure="unsure", value=table["unsure"])
            yield told | about | {"estimator": "counted", "n": table["faces"]}


def _row(section: str, attribute: str, label: str, *, measure: str, value: Any) -> Row:
    return {"section": section, "attribute": attribute, "label": label, "measure": measure, "value": value}
