"""Who is pictured: from the summary to a kept report by keyboard alone, every state under axe, and no flicker."""

import re

import pytest
from django.urls import reverse

from classifier.models import Collection, KeptReport, ModelEvidence, State
from classifier.services.reports import caching
from tests import factories
from tests.browser import axe
from tests.browser.conftest import PHONE

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("few_resamples")]

MOST_TABS = 60
NAME_OF_FOCUS = """(() => {
  const here = document.activeElement;
  return here.labels?.[0]?.innerText || here.getAttribute("aria-label") || here.innerText || "";
})()"""


def check(page, *, within: str = "") -> None:
    """Nothing for axe to say, of the page or of the part of it that is new, and nothing wider than the window."""
    assert axe.list_violations(page, within=within) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def tab_to(page, words: str) -> None:
    """Press Tab until what has the focus begins with these words, or is called so."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        told = " ".join(page.evaluate(NAME_OF_FOCUS).split())
        if told.lower().startswith(words.lower()):
            return
    raise AssertionError(f"the Tab key does not reach {words!r}")


def press_on(page, words: str) -> None:
    tab_to(page, words)
    page.keyboard.press("Enter")


def choose(page, words: str, option: str) -> None:
    """A choice of a list is typed."""
    tab_to(page, words)
    page.keyboard.type(option)


def address(live_server, name: str, collection: Collection) -> str:
    return live_server.url + reverse(f"collection-{name}", args=[collection.uid])


def test_from_summary_to_a_kept_report_by_keyboard_alone(live_server, alices_page, portraits):
    page = alices_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    page.add_init_script("print = () => { document.documentElement.dataset.printed = 'yes'; }")
    page.goto(address(live_server, "detail", portraits))
    summary = page.locator("#summary")
    expect(summary).to_contain_text("if the model errs here as on FairFace")
    expect(summary).to_contain_text("Appearances, not persons")
    for part in (".front", ".raw", ".whisker", ".range", '[fill="url(#hatch)"]'):
        assert summary.locator(f".summary-chart {part}").count(), part
    photos, head = (page.locator(of).first.bounding_box()["y"] for of in ("#gallery .tile", ".collection-head"))
    assert photos - head < 400  # so that the first of them stand on the first screen
    check(page)

    press_on(page, "Full report")
    page.wait_for_url("**/report/")
    expect(page.get_by_role("navigation", name="On this page").get_by_role("link")).to_have_count(
        page.locator(".report-body h2").count()
    )
    press_on(page, "Ask differently")
    check(page, within=".report-ask")
    choose(page, "Told apart by", "folder")
    choose(page, "Perceived gender", "Female")
    press_on(page, "Show this report")
    page.wait_for_url("**by=folder**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("only")
    expect(page.get_by_role("heading", name="By folder")).to_be_visible()
    expect(page.locator(".panel").first).to_contain_text("sport")
    expect(page.locator("#answer")).to_contain_text("chosen by what the model said of them")
    check(page)
    press_on(page, "Perceived gender Female")
    page.wait_for_url(lambda url: "gender=" not in url and "by=folder" in url)

    press_on(page, "Ask differently")
    tab_to(page, "Called")
    page.keyboard.press("Control+a")
    page.keyboard.type("readership")
    tab_to(page, "Shares")
    page.keyboard.type("gender, Female, 51")
    press_on(page, "Compare with these")
    expect(page.locator(".form-errors")).to_contain_text("lack Male")
    check(page, within=".report-ask")
    tab_to(page, "Shares")
    page.keyboard.press("Control+End")
    page.keyboard.type("\ngender, Male, 49")
    press_on(page, "Compare with these")
    page.wait_for_url("**#against")
    expect(page.get_by_role("heading", name="Against readership")).to_be_in_viewport()
    check(page)

    page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
    page.locator("h1").click()
    tab_to(page, "Export")
    page.keyboard.press("Enter")
    check(page, within=".report-head")
    with page.expect_download() as found:
        press_on(page, "Table of all numbers")
    assert "readership" in found.value.path().read_text(encoding="utf-8")
    press_on(page, "Print")
    assert page.locator("html").get_attribute("data-printed") == "yes"
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reports/1/")

    kept = KeptReport.objects.get(collection=portraits)
    expect(page.locator(".kept-facts")).to_contain_text(kept.sha256)
    expect(page.locator(".kept-facts")).to_contain_text("it is what was kept")
    expect(page.get_by_role("heading", level=1)).to_contain_text("by folder, against readership")
    check(page, within="main > :not(.report-layout)")
    press_on(page, "Copy")
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.endsWith('/reports/1/'))")
    press_on(page, "Copy the BibTeX")
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('@misc'))")


def test_what_is_kept_is_compared_and_printed_whole(live_server, new_page, log_in, alice, portraits):
    page = log_in(new_page(viewport=PHONE, color_scheme="dark"), alice)
    for query in ("", "?by=folder"):
        page.goto(address(live_server, "report", portraits) + query)
        page.get_by_role("button", name="Keep", exact=True).click()
        page.wait_for_url(re.compile(r"/reports/\d/$"))
    page.get_by_role("link", name="Kept reports").click()
    check(page)
    page.get_by_role("button", name="Compare the two ticked").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Report 1 beside report 2")
    check(page)
    page.goto(address(live_server, "report", portraits))
    page.emulate_media(media="print")
    assert page.locator(".survey details table").first.is_visible()  # numbers behind a click are on paper
    assert not page.locator(".report-ask, .contents, .actions >> visible=true").count()


def test_every_state_tells_itself_on_a_phone(live_server, new_page, log_in, alice, portraits, monkeypatch):
    page = log_in(new_page(viewport=PHONE, color_scheme="dark"), alice)
    empty = factories.CollectionFactory(owner=alice, name="Empty")
    single = factories.CollectionFactory(owner=alice, name="One face")
    factories.make_face(factories.make_photo(single))
    without = factories.CollectionFactory(owner=alice, name="Gender and age", attributes=["gender", "age"])
    factories.make_face(factories.make_photo(without))
    states = [
        (empty, "", "There are no photos yet"),
        (single, "", "1"),
        (without, "", "Gender, as perceived"),
        (portraits, "?group=Middle+Eastern", "No face here fits these filters"),
    ]
    for collection, query, told in states:
        page.goto(address(live_server, "report", collection) + query)
        expect(page.locator("#answer")).to_contain_text(told)
        check(page)
    page.goto(address(live_server, "report", without))
    expect(page.locator("#answer")).not_to_contain_text("Race group")

    ModelEvidence.objects.all().delete()
    Collection.objects.filter(pk=portraits.pk).note_answers()
    page.goto(address(live_server, "report", portraits))
    expect(page.locator("#answer")).to_contain_text("These are counted labels")
    check(page)
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 0)
    page.goto(address(live_server, "report", portraits) + "?by=folder")
    expect(page.get_by_role("progressbar", name="Computed")).to_be_visible()
    expect(page.locator("#answer")).to_contain_text("waits until a worker runs")
    check(page)
    page.goto(live_server.url + reverse("collection-list"))
    expect(page.locator(".card", has_text="Front pages")).to_contain_text("counted labels, not corrected")
    check(page)


def test_a_summary_grows_with_its_photos_and_closes_nothing_that_is_open(
    live_server, alices_page, portraits, monkeypatch
):
    monkeypatch.setattr(caching, "SHORTEST_REST_SECONDS", 0.0)
    monkeypatch.setattr(caching, "RESTS", 0)
    waiting = factories.make_photo(portraits, state=State.QUEUED, name="late.jpg")
    page = alices_page
    page.goto(address(live_server, "detail", portraits))
    summary = page.locator("#summary")
    expect(summary).to_contain_text("Labels of 24 faces")
    expect(summary).to_contain_text("photos are still being analysed")
    summary.locator("details summary", has_text="show numbers").first.click()
    page.evaluate("document.querySelector('#summary').dataset.seen = 'yes'")
    with page.expect_response(re.compile(r"/summary/\?shown=.+")) as same:
        pass
    assert same.value.status == 204
    assert summary.get_attribute("data-seen") == "yes"  # the same numbers are not drawn again

    factories.make_face(waiting)
    portraits.photos.filter(pk=waiting.pk).update(state=State.DONE)
    Collection.objects.filter(pk=portraits.pk).note_answers()
    expect(summary).to_contain_text("Labels of 25 faces")
    assert summary.get_attribute("data-seen") is None
    assert summary.locator(".summary-numbers table").first.is_visible()
