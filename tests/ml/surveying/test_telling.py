"""The report as page, JSON and CSV: the same numbers in all three, and nothing that could be mistaken."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ml.reporting import (
    numbers,
    survey_bars,
    survey_csv,
    survey_json,
    survey_page,
    survey_text,
)
from ml.surveying.report import MissedFaces
from tests.ml.surveying import made_up


class Cells(HTMLParser):
    """The rows of each table of a page by its caption."""

    def __init__(self, text):
        super().__init__()
        self.tables, self._row, self._cell = {}, None, None
        self._caption = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "caption":
            self._caption, self._cell = "", "caption"
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_data(self, data):
        if self._cell == "caption":
            self._caption += data
        elif self._cell is not None:
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._row.append(" ".join(self._cell.split()))
            self._cell = None
        elif tag == "caption":
            self._cell = None
        elif tag == "tr":
            self.tables.setdefault(self._caption, []).append(self._row)


def test_json_holds_what_was_promised(report):
    found = json.loads(survey_json.write_json(report))
    promised = {
        "format", "photos", "faces", "model", "basis", "assumption", "attributes", "crossings", "photos_with",
        "quality", "left_out", "methods",
    }  # fmt: skip
    assert promised <= found.keys()
    assert (found["format"], found["photos"], found["faces"]) == (1, 301, 600)
    row = {"label", "raw", "share", "low", "high", "sensitivity_low", "sensitivity_high", "estimator", "n", "reviewed"}
    for of in (*found["attributes"].values(), *found["crossings"].values()):
        assert "taxonomy" in of
        for cell in of["rows"]:
            assert row <= cell.keys()
            assert 0 <= cell["share"] <= 1
    assert list(found["attributes"]) == ["race", "gender", "age"]
    assert list(found["crossings"]) == ["race x gender", "race x gender x age"]
    assert found["left_out"]["photos that could not be read"] == 1


def test_page_json_and_csv_tell_the_same_numbers(report):
    values = json.loads(survey_json.write_json(report))
    rows = made_up.read_rows(survey_csv.write_csv(report))
    page = Cells(survey_page.write_page(report))
    of_csv = {(r["section"], r["group"], r["attribute"], r["label"], r["estimator"], r["measure"]): r for r in rows}
    assert len(of_csv) == len(rows)
    compared = 0
    for section in ("attributes", "crossings"):
        for name, table in values[section].items():
            caption = f"{survey_page.entitle(name)}, as perceived, in {table['taxonomy']}"
            shown = {line[0]: line for line in page.tables.get(caption, [])}
            for cell in table["rows"]:
                told = of_csv[section, "", name, cell["label"], cell["estimator"], "share"]
                assert float(told["value"]) == cell["share"]
                for key in ("low", "high", "sensitivity_low", "sensitivity_high"):
                    assert told[key] == ("" if cell[key] is None else str(cell[key]))
                if cell["raw"] is not None and cell["estimator"] != "counted":
                    assert float(of_csv[section, "", name, cell["label"], "counted", "share"]["value"]) == cell["raw"]
                if name.count(" x ") < 2:
                    line = shown[survey_bars.tell_label(cell["label"])]
                    assert line[1] == f"{100 * cell['share']:.1f} %"
                    assert ("–" if cell["raw"] is None else f"{100 * cell['raw']:.1f} %") in line
                    if cell["low"] is not None and cell["bound"] == "both":
                        assert line[2] == f"{100 * cell['low']:.1f} to {100 * cell['high']:.1f}"
                    compared += 1
    assert compared >= 28
    cells = page.tables["Faces by counted label, not corrected"]
    counts = [int(count.replace(",", "")) for line in cells[1:] for count in line[1:]]
    assert counts == [cell["n"] for cell in values["crossings"]["race x gender x age"]["rows"]]


def page_text(report) -> str:
    """The page, with plain spaces where numbers are kept together with their per cent sign."""
    return survey_page.write_page(report).replace("\N{NO-BREAK SPACE}", " ")


def test_the_other_parts_tell_the_same_numbers_too(adjusted):
    values = json.loads(survey_json.write_json(adjusted))
    rows = made_up.read_rows(survey_csv.write_csv(adjusted))
    text = page_text(adjusted)
    for section, count in (("photos_with", 2 * 14), ("face_widths", 14), ("quality", 9), ("comparison", 2)):
        assert sum(row["section"] == section for row in rows) == count
    for of in values["photos_with"]["gender"]:
        assert f"{100 * of['only']:.1f} %" in text
    for row in rows:
        if row["section"] == "group" and row["measure"] == "share" and row["estimator"] == "adjusted":
            assert f"{100 * float(row['value']):.1f} %" in text
    assert {row["group"] for row in rows if row["section"] == "group"} == {"2001", "2002"}


def test_the_page_stands_alone_and_can_be_mistaken_for_nothing_else(report):
    text = survey_page.write_page(report)
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert " style=" not in text
    assert text.count("Appearances, not persons") == 2
    assert "as perceived" in text
    heads = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert all(head.endswith("as perceived") for head in heads[: len(report.tables)])
    assert text.count("<details>") >= len(report.tables) + 1
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text
    anchors = re.findall(r'id="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', text)) <= set(anchors)


def test_a_sensitivity_range_is_never_called_a_confidence_interval(adjusted):
    text = survey_page.write_page(adjusted)
    assert "if the model errs here as on FairFace" in text
    assert "sensitivity range" in text
    for sentence in re.split(r"[.<>]", text):
        if "ensitivity" in sentence:
            assert "confidence" not in sentence or "not" in sentence or "no confidence" in sentence


def test_counted_labels_are_said_to_be_so(counted, adjusted):
    text = survey_page.write_page(counted)
    assert "These are <strong>counted labels</strong>" in text
    assert "nothing is known of it" in text
    assert 'class="whisker"' not in text
    assert 'class="front"' not in text
    assert "126 cells are too many to be corrected: these are counted labels" in survey_page.write_page(adjusted)


def test_reviewed_pages_tell_accuracy_and_who_looked(reviewed):
    text = page_text(reviewed)
    assert "1 reviewer looked at 150 faces drawn at random" in text
    race = reviewed.accuracy[0].overall
    assert f"{100 * race.share:.1f} %" in text
    assert "further faces that people look at" in text
    assert "150 faces were drawn without replacement, stratified by counted race" in reviewed.methods


def test_names_from_elsewhere_are_escaped(adjusted):
    evil = '<img src=x onerror="x()">'
    table = adjusted.tables[0]
    rows = (replace(table.rows[0], label=evil), *table.rows[1:])
    text = survey_page.write_page(
        replace(adjusted, source=evil, tables=(replace(table, rows=rows),), notes=(evil,), left_out={evil: 1})
    )
    assert "<img" not in text
    assert "&lt;img" in text


def test_the_csv_holds_no_formula(adjusted):
    group = replace(adjusted.groups[0], value="=1+1")
    text = survey_csv.write_csv(replace(adjusted, groups=(group,)))
    assert ",'=1+1," in text
    assert ",=1+1," not in text


def test_the_methods_paragraph_names_numbers_assumption_and_citations(adjusted):
    for part in (
        "Of 301 photos, 300 could be read",
        "600 faces were counted",
        "made-up-1 (SHA-256 0123456789ab)",
        "under the assumption that the model errs in this collection as on FairFace",
        "Gart and Buck 1966",
        "are no confidence intervals",
        "corrected for the number of labels by Holm's method",
        "narrower than 40 pixels",
    ):
        assert part in adjusted.methods
    assert adjusted.bibtex.startswith("@software{facet,")


def test_the_terminal_gets_shares_their_basis_and_what_they_are_not(adjusted):
    text = survey_text.write_text(adjusted)
    white = adjusted.tables[0].find("White")
    assert f"{100 * white.share:.1f} %" in text
    assert "if the model errs here as on FairFace" in text
    assert "Appearances, not persons" in text


def test_the_terminal_gets_the_parts_and_comparisons_that_were_asked_for(adjusted):
    text = survey_text.write_text(adjusted)
    *years, rest = adjusted.groups
    for group in years:
        assert f"year {group.value}, {group.faces} faces in {group.photos} photos" in text
    assert f"year (empty), 0 faces in 0 photos: {rest.limit}" in text
    assert text.count("perceived gender (gender), adjusted") == 1 + len(years) == 3
    male = adjusted.comparisons[0].rows[0]
    assert "perceived gender against census" in text
    assert f"against  49.0 %  {numbers.points(male.difference):>6}" in text
    missed = replace(adjusted, missed=MissedFaces(0.06, 0.03, 0.11, 40))
    assert "About 6.0 % of the faces were not found (3.0 to 11.0), by 40 photos" in survey_text.write_text(missed)


@pytest.mark.parametrize(
    ("bound", "told"),
    [("both", "(1.0 to 5.0)"), ("upper", "(at most 5.0 %)"), ("lower", "(at least 1.0 %)"), ("neither", "(–)")],
)
def test_the_terminal_gets_only_the_ends_that_may_be_told(reviewed, bound, told):
    table = reviewed.tables[0]
    row = replace(table.rows[0], low=0.01, high=0.05, bound=bound)
    report = replace(reviewed, tables=(replace(table, rows=(row,)),))
    assert told in survey_text.write_text(report)


def test_nothing_of_a_report_is_no_number(report):
    text = survey_json.write_json(report)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert np.isfinite([row.share for table in report.tables for row in table.rows]).all()


def test_a_report_is_read_back_from_its_json(report):
    values = json.loads(survey_json.write_json(report))
    again = survey_json.from_values(values | {"a later key": 1})
    assert survey_json.to_values(again) == values
    assert replace(again, model=report.model) == report
    stored = json.loads(json.dumps(values, sort_keys=True))
    assert [table.name for table in survey_json.from_values(stored).tables] == ["race", "gender", "age"]
    assert replace(survey_json.from_values(stored), model=report.model) == report


def test_the_body_for_another_page_has_no_frame_and_its_own_links(adjusted):
    body = survey_page.write_body(adjusted, drawings={"race": "/race.svg", "race-by-year": "/by.svg"})
    assert "<html" not in body
    assert "style=" not in body
    assert body.count('href="/race.svg"') == body.count('href="/by.svg"') == 1
    assert body.count("data-copy=") == 2
    assert "data-copy=" not in survey_page.write_page(adjusted)


def test_the_list_of_contents_names_every_heading_in_its_order(report):
    listed = [name for name, _ in survey_page.list_sections(report)]
    assert listed == re.findall(r'<h2 id="([^"]+)"', survey_page.write_body(report))
