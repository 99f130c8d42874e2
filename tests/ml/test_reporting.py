"""Figures, pages and numbers of the reports."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from ml.reporting import figures, html, numbers, rendering
from ml.training import outcome

VOID = {"meta", "img", "path", "link", "br"}


class Outline(HTMLParser):
    """Tags with their attributes, and whether every one that opens is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def png(size=(12, 9)):
    content = io.BytesIO()
    Image.new("RGB", size).save(content, "PNG")
    return content.getvalue()


def whole_page():
    return html.page(
        "Report on <model>",
        lead="Of 3 faces & more",
        sections=[
            html.section(
                "Race",
                html.table(
                    ["group", "share", "images"],
                    [("<b>White</b>", "63.2 %", 1204), ("Black", None, 3)],
                    caption='By "group"',
                ),
                html.section("Drawn", html.figure(png(), alt='a "chart"', caption="1 < 2")),
            ),
            html.section("Facts", html.facts([("Hash", "ab<c"), ("ECE", 0.0241)])),
            html.section("Text", html.paragraph("<script>alert(1)</script>"), html.folded("Show <numbers>")),
            html.section("Faces", html.thumbnails([html.Thumbnail(png(), 'face "1"', "<img>.jpg", ("a & b",))])),
        ],
    )


def test_a_page_is_well_formed_and_fetches_nothing():
    outline = Outline(whole_page())
    assert outline.open == []
    assert [tag for tag, _ in outline.tags if tag in {"script", "link", "iframe", "form"}] == []
    assert all(image["src"].startswith("data:image/png;base64,") for image in outline.all("img"))
    assert all(link["href"].startswith("#part-") for link in outline.all("a"))
    assert "url(" not in html.STYLE
    assert "@import" not in html.STYLE
    policy = next(meta["content"] for meta in outline.all("meta") if "content" in meta and "'none'" in meta["content"])
    assert "default-src 'none'" in policy


def test_a_page_escapes_what_it_is_given():
    text = whole_page()
    for written in ("<script>", "<b>", "<model>", "<img>", "<numbers>", 'a "chart"'):
        assert written not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<title>Report on &lt;model&gt;</title>" in text


def test_a_name_that_no_template_is_given_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError, match="lead"):
        rendering.render("page.html", title="t", sections=[], style="", policy="", mark="")


def test_text_keeps_its_per_cent_sign_and_is_always_utf_8():
    assert html.paragraph("95 % of 'all'") == "<p>95\N{NO-BREAK SPACE}% of &#x27;all&#x27;</p>\n"
    assert html.paragraph("a\udc80.jpg").encode() == b"<p>a\\udc80.jpg</p>\n"
    assert html.folded("more", html.paragraph("1 < 2")) == (
        "<details><summary>more</summary><p>1 &lt; 2</p>\n</details>\n"
    )


def test_a_row_with_too_few_cells_is_an_error():
    with pytest.raises(ValueError, match="another number of cells"):
        html.table(["a", "b"], [("x",)], caption="c")


def test_every_heading_link_and_region_has_its_name():
    outline = Outline(whole_page())
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert [part.get("aria-labelledby") for part in outline.all("section")] == [
        *("part-1", None, "part-2", "part-3", "part-4")
    ]
    assert {link["href"][1:] for link in outline.all("a")} <= set(ids)
    assert [len(outline.all(tag)) for tag in ("h1", "h2", "h3")] == [1, 4, 1]
    assert all("alt" in image for image in outline.all("img"))


def test_tables_name_their_rows_and_columns_and_set_numbers_right():
    outline = Outline(
        html.table(["group", "share", "said"], [("White", "1.2 %", "x"), ("Black", None, "y")], caption="c")
    )
    assert [cell["scope"] for cell in outline.all("th")] == ["col"] * 3 + ["row"] * 2
    assert [cell.get("class") for cell in outline.all("th")][:3] == [None, "n", None]
    assert [cell.get("class") for cell in outline.all("td")] == ["n", None, "n", None]


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("63.2 %", True),
        ("61.0 to 65.4", True),
        ("-0.4 to +2.1", True),
        ("+1.2", True),
        ("< 0.001", True),
        ("1,204", True),
        ("–", True),
        ("30-39 years", False),
        ("White", False),
    ],
)
def test_what_reads_as_a_number_is_set_right(cell, right):
    assert ('<td class="n">' in html.table(["a", "b"], [("x", cell)], caption="c")) == right


def test_a_column_without_a_name_has_no_empty_heading():
    outline = Outline(html.table(["", "n"], [("a", 1)], caption="c"))
    assert [cell["scope"] for cell in outline.all("th")] == ["col", "row"]


def test_a_broad_figure_scrolls_within_reach_of_the_keyboard():
    assert 'tabindex="0"' in html.figure(png((1200, 9)), alt="", caption="wide")
    assert "tabindex" not in html.figure(png((300, 9)), alt="", caption="small")


def test_figures_are_shown_in_their_natural_size():
    assert 'width="8" height="6"' in html.figure(png((12, 9)), alt="", caption="")


def test_a_jpeg_keeps_its_kind():
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "JPEG")
    assert "data:image/jpeg;base64,/9j/" in html.thumbnails([html.Thumbnail(content.getvalue(), "", "t")])


def drawn(figure):
    image = Image.open(io.BytesIO(figures.as_png(figure)))
    return np.asarray(image.convert("RGB"))


def words(figure):
    return {text.get_text() for text in figure.findobj(lambda found: hasattr(found, "get_text"))}


def test_a_confusion_matrix_shows_counts_or_shares_of_the_rows():
    counts = np.array([[30, 10], [0, 1234]])
    assert {"30", "10", "1,234"} <= words(figures.confusion(counts, names=["a", "b"], percent=False, title="t"))
    assert {"75", "25", "100"} <= words(figures.confusion(counts, names=["a", "b"], percent=True, title="t"))


def test_figures_stand_missing_values_and_empty_rows():
    pictures = [
        figures.confusion(np.zeros((3, 3), dtype=int), names=["a", "b", "c"], percent=True, title="t"),
        figures.reliability([None, 0.5, 0.9], [None, 0.4, 1.0], [0, 10, 30], title="t"),
        figures.reliability([], [], [], title="t"),
        figures.coverage([0.5, 1.0], [None, 0.6], title="t"),
        figures.coverage([0.5], [None], title="t"),
        figures.bars(["a", "b"], [0.5, None], [0.4, None], [0.6, None], title="t"),
        figures.bars(["a"], [3.5], title="t", unit="years"),
        figures.curves(
            [{"epoch": 1, "loss": 2.0}, {"epoch": 2}], panels={"l": {"loss": "a"}, "m": {"none": "b"}, "n": {}}
        ),
        figures.curves([], panels={"l": {"loss": "a"}}),
    ]
    for picture in pictures:
        pixels = drawn(picture)
        assert pixels[0, 0].tolist() == [255, 255, 255]
        assert pixels.std() > 0


def test_curves_name_both_sets_and_tell_accuracies_in_per_cent(tmp_path, monkeypatch):
    drawn_curves = []
    monkeypatch.setattr(figures, "as_png", lambda figure: drawn_curves.append(figure) or b"")
    rows = [
        {
            "epoch": epoch,
            "train_loss": 2.0,
            "val_loss": 2.1,
            "train_race": 0.5,
            "val_race": 0.4,
            "val_race of Black": 0.3,
        }
        for epoch in (1, 2)
    ]
    outcome.draw_curves(tmp_path, rows)
    loss, race = drawn_curves[0].axes
    for axes in (loss, race):
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation"]
    assert (loss.get_title("left"), race.get_title("left")) == ("loss", "race")
    assert race.yaxis.get_major_formatter()(0.4).endswith(" %")
    assert "%" not in loss.yaxis.get_major_formatter()(2.0)


def test_bars_carry_their_numbers():
    assert "56.8 %" in words(figures.bars(["a"], [0.568], [0.5], [0.6], title="t"))
    assert "5.33 years" in words(figures.bars(["a"], [5.33], title="t", unit="years"))


def test_the_same_figure_gives_the_same_bytes():
    first, second = (figures.as_png(figures.coverage([0.5, 1], [0.9, 0.7], title="t")) for _ in range(2))
    assert first == second
    assert not re.search(rb"matplotlib", first, re.IGNORECASE)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (numbers.percent(0.6836), "68.4 %"),
        (numbers.percent(None), "–"),
        (numbers.percent(float("nan")), "–"),
        (numbers.points(0.0123), "+1.2"),
        (numbers.points(-0.0123), "-1.2"),
        (numbers.points(-0.0001), "0.0"),
        (numbers.interval(0.61, 0.654), "61.0 to 65.4"),
        (numbers.points_interval(-0.004, 0.021), "-0.4 to +2.1"),
        (numbers.points_interval(None, 0.021), "–"),
        (numbers.decimal(0.02371), "0.024"),
        (numbers.p_value(0.0002), "< 0.001"),
        (numbers.p_value(0.0314), "0.031"),
    ],
)
def test_numbers_read_the_same_everywhere(told, expected):
    assert told == expected
