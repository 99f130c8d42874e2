"""The charts of a report: bars, panels, courses, and each as a picture of its own."""

import math
import re
from dataclasses import replace
from xml.etree.ElementTree import fromstring

import pytest

from ml import labels
from ml.reporting import (
    survey_bars,
    survey_page,
    survey_panels,
    survey_svg,
)
from ml.shares.evidence import PHOTOS
from ml.surveying import against, reading
from ml.surveying.computing import Request, compute_report
from ml.surveying.report import Row
from tests.ml.surveying import made_up
from tests.ml.surveying.conftest import FEW


def test_the_legend_and_the_bars_show_what_is_there(adjusted, reviewed):
    of_model, of_people = (survey_page.write_page(of) for of in (adjusted, reviewed))
    assert 'class="range"' in of_model
    assert 'class="range"' not in of_people
    for text in (of_model, of_people):
        assert text.count("url(#hatch)") > 3
        rows = text.split('<ol class="chart">')[1].split("</ol>")[0]
        names = re.findall(r'class="name">([^<]+)<', rows)
        assert names[-1] == "model unsure"
        assert ("cannot tell" in names) == (text is of_people)


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.631, "63 %"), (0.998, "> 99 %"), (1.0, "100 %"), (math.nan, "–")],
)
def test_small_shares_are_never_told_as_nothing(share, told):
    assert survey_bars.tell_share(share) == told


@pytest.mark.parametrize(
    ("bound", "told"), [("both", "20 to 40"), ("upper", "at most 40"), ("lower", "at least 20"), ("neither", "")]
)
def test_only_the_ends_that_may_be_told_are_told(bound, told):
    row = Row("x", 0.3, 30, 0.3, "reviewed", 0, 0.2, 0.4, bound)
    assert survey_bars.tell_interval(row) == told


@pytest.mark.parametrize("largest", [0.0, 0.013, 0.07, 0.31, 0.62, 0.999, 1.0])
def test_an_axis_holds_its_bars_with_few_round_ticks(largest):
    step, end = survey_bars.choose_axis([largest])
    assert largest <= end <= 1
    assert round(end / step, 6) == pytest.approx(round(end / step))
    assert 2 <= round(end / step) <= survey_bars.MOST_TICKS


def test_crossed_attributes_are_a_table_of_bars(adjusted):
    table = adjusted.crossings[0]
    grid = survey_panels.lay_crossing(table)
    assert grid.columns == ("Male", "Female")
    assert [name for name, _ in grid.lines] == [survey_bars.tell_label(label) for label in labels.RACE]
    (_, (male, _)), *_ = grid.lines
    assert male.text == survey_bars.tell_share(table.find("White, Male").share)
    assert [bar.label for bar in grid.rest] == ["model unsure"]


def test_parts_share_one_axis(adjusted):
    panels = survey_panels.lay_parts(adjusted.groups, name="gender")
    assert [panel.title for panel in panels] == ["Male", "Female"]
    assert [[bar.label for bar in panel.chart.bars] for panel in panels] == [["2001", "2002"]] * 2
    assert len({panel.chart.ticks for panel in panels}) == 1


@pytest.mark.parametrize(
    ("values", "names", "shared"),
    [
        (("2026/May/front", "2026/May/sport/teams"), ["front", "sport/teams"], "2026/May/"),
        (("2026/May", "2026/May/sport"), ["May", "May/sport"], "2026/"),
        (("2026/May", "2027/May"), ["2026/May", "2027/May"], ""),
        (("2026/May", "2026/June", "all others"), ["May", "June", "all others"], "2026/"),
        (("2026/May", ""), ["2026/May", "(empty)"], ""),
    ],
)
def test_parts_are_named_without_the_folder_that_all_lie_in(adjusted, values, names, shared):
    named = replace(adjusted, groups=tuple(replace(adjusted.groups[0], value=value) for value in values))
    for panel in survey_panels.lay_parts(named.groups, name="gender"):
        assert [bar.label for bar in panel.chart.bars] == names
    assert (f"Names begin after <b>{shared}</b>" in survey_page.write_body(named)) is bool(shared)
    (chart,) = [name for name in survey_svg.name_charts(named) if name.startswith("gender-by-")]
    assert (f", as perceived, in {shared}" in survey_svg.draw_chart_file(named, name=chart)) is bool(shared)


@pytest.mark.parametrize(
    ("values", "is_course"),
    [
        (("2001", "2002", "2003"), True),
        (("2024-01", "2024-02", "2024-04", ""), True),
        (("2001", "2002"), False),
        (("2001", "2002", "sport"), False),
    ],
)
def test_dates_make_a_course(adjusted, values, is_course):
    groups = [replace(adjusted.groups[0], value=value) for value in values]
    assert survey_panels.is_course(groups) == is_course
    page = survey_page.write_page(replace(adjusted, groups=tuple(groups)))
    assert ('class="path"' in page) == is_course


def test_a_course_keeps_the_gaps_between_its_dates(adjusted):
    groups = [replace(adjusted.groups[0], value=value) for value in ("2024-01", "2024-02", "2024-05")]
    course = survey_panels.lay_courses(groups, name="gender").courses[0]
    first, second, last = (point.x for point in course.points)
    assert last - second == pytest.approx(3 * (second - first))
    assert "in 2024-01" in course.summary
    assert "3 dates" in course.summary


def test_a_reference_is_told_in_the_order_of_the_attributes(reviewed, folder):
    census = folder / "other.csv"
    rows = [f"race,{label},{1 / 7}" for label in labels.RACE]
    census.write_text("\n".join(["attribute,label,share", "gender,Male,0.4", "gender,Female,0.6", *rows]) + "\n")
    survey = reading.read_survey(folder / "faces.csv")
    request = Request(bootstrap=FEW, reference=against.read_reference(census))
    known = made_up.make_known(made_up.make_evidence(way=PHOTOS))
    report = compute_report(survey, known=known, request=request)
    assert [of.name for of in survey_panels.list_comparisons(report)] == ["race", "gender"]
    assert 'class="second-dot"' in survey_page.write_page(report)


def test_every_chart_is_an_svg_that_stands_alone(report):
    names = survey_svg.name_charts(report)
    assert {"race", "gender", "age", "race-x-gender"} <= set(names)
    assert ("race-by-year" in names) == bool(report.groups)
    for name in names:
        root = fromstring(survey_svg.draw_chart_file(report, name=name))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        text = " ".join(root.itertext())
        assert "as perceived" in text
        assert "Appearances, not persons" in text
        assert ("estimate" in text) == (report.basis != "counted")
    with pytest.raises(KeyError):
        survey_svg.draw_chart_file(report, name="shoe-size")


def test_names_in_an_svg_are_escaped(adjusted):
    root = fromstring(survey_svg.draw_chart_file(replace(adjusted, source="<b>&"), name="age"))
    assert "<b>& ·" in " ".join(root.itertext())


def test_charts_beside_each_other_share_an_axis_and_cards_show_no_range(adjusted):
    of = {table.name: table for table in adjusted.tables}
    alone = survey_bars.draw_chart(of["race"])
    beside = survey_bars.draw_chart(of["race"], beside=adjusted.tables)
    assert beside.ticks == survey_bars.draw_chart(of["gender"], beside=adjusted.tables).ticks
    assert float(beside.ticks[-1][1]) >= float(alone.ticks[-1][1])
    short = survey_bars.draw_chart(survey_bars.shorten(of["race"], count=3))
    assert alone.has_range
    assert not short.has_range
    assert [bar.is_top for bar in short.bars].count(True) == 1
