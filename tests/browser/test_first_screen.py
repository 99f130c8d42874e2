"""A collection's page on its first screen: the answer on top, with all that it has to tell, and photos below it."""

import pytest
from django.urls import reverse

from classifier.models import Collection
from classifier.models.workers import WorkerHeartbeat
from ml import labels
from tests import factories
from tests.browser import axe
from tests.browser.conftest import PHONE, WIDE

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("few_resamples", "evidence")]

HUGE, LAPTOP = {"width": 1920, "height": 1080}, {"width": 1280, "height": 800}
# Where the first one may begin, by width.
LOWEST_TILE = {WIDE["width"]: 430, HUGE["width"]: 430, LAPTOP["width"]: 430, PHONE["width"]: 690}


@pytest.fixture
def ordinary(collection) -> Collection:
    """Alice's collection as most are: a purpose, every label as often as where the model's errors were measured."""
    WorkerHeartbeat.objects.create(name="worker@here", device="cpu")
    races, ages = labels.ATTRIBUTES["race"], labels.ATTRIBUTES["age"]
    for number in range(0, len(races) * len(ages), 3):
        photo = factories.make_photo(collection, name=f"{number}.jpg")
        for place in range(3):
            looks = {"race": races[(number + place) % len(races)], "age": ages[(number + place) // len(races)]}
            gender = ("Male", "Female")[(number + place) % 2]
            factories.make_face(photo, number=place + 1, gender=gender, **looks)
    Collection.objects.filter(pk=collection.pk).update(purpose="Who is shown when newspapers write about politics")
    return Collection.objects.get(pk=collection.pk)


def tops(page, *selectors: str) -> list[float]:
    return [page.locator(each).first.bounding_box()["y"] for each in selectors]


def test_the_first_photos_stand_below_the_answer_on_the_first_screen(live_server, alices_page, ordinary):
    page = alices_page
    page.goto(live_server.url + reverse("collection-detail", args=[ordinary.uid]))
    expect(page.locator("#summary")).to_contain_text("Appearances, not persons")
    assert not page.locator("#summary .summary-caution").count()
    for viewport in (WIDE, HUGE, LAPTOP, PHONE):
        page.set_viewport_size(viewport)
        title, answer, charts, tile = tops(page, "h1", "#summary-title", ".summary-charts", "#gallery .tile")
        assert title < answer <= charts + 8, viewport
        assert charts < tile < LOWEST_TILE[viewport["width"]], viewport
        for words in ("Full report", "Review a sample"):
            assert page.get_by_role("link", name=words).bounding_box()["y"] < tile
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.locator(".collection-more summary").press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Edit"
    assert axe.list_violations(page, within=".collection-head") == []


def test_all_of_the_answer_is_there_without_scripts(live_server, new_page, log_in, alice, ordinary):
    page = log_in(new_page(viewport=PHONE, java_script_enabled=False), alice)
    page.goto(live_server.url + reverse("collection-detail", args=[ordinary.uid]))
    page.get_by_role("link", name="See who is pictured").click()  # nothing has been computed yet
    page.get_by_role("heading", name="Age, as perceived").wait_for()
    page.goto(live_server.url + reverse("collection-detail", args=[ordinary.uid]))
    summary = page.locator("#summary")
    for chart in summary.locator(".summary-chart").all():
        chart.scroll_into_view_if_needed()
        expect(chart.locator(".whisker").first).to_be_in_viewport()
    assert summary.locator(".summary-chart").count() == len(labels.ATTRIBUTES)
    summary.locator(".summary-numbers summary").click()
    expect(summary.get_by_text("sensitivity range").first).to_be_visible()
    expect(summary.locator("table").last).to_be_visible()
    page.locator(".collection-more summary").click()
    expect(page.get_by_role("link", name="Delete")).to_be_visible()
