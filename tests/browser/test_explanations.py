"""What mattered, in a browser: opened by mouse and keyboard, waited for, switched off and on."""

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier.models import Job
from classifier.services import jobs, workers
from tests import fakes
from tests.browser.conftest import PHONE, WIDE

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = pytest.mark.browser


@pytest.fixture
def address(live_server, photo) -> str:
    photo.model_version.sha256 = fakes.CARD.sha256
    photo.model_version.save()
    return live_server.url + reverse("photo-detail", args=[photo.uid])


def work():
    while jobs.run_once():
        pass


def test_opening_it_asks_and_the_maps_appear_when_the_worker_is_through(alices_page, address):
    page = alices_page
    page.goto(address)
    asked = page.locator("#explain-race")
    asked.locator("> summary").click()
    asked.get_by_text("waits until").wait_for()
    assert Job.objects.count() == 1
    work()
    expect(asked.locator(".maps-picture")).to_have_count(2)
    widths = asked.locator(".maps-heat").evaluate_all("maps => maps.map(map => map.getBoundingClientRect().width)")
    assert min(widths) > 100
    heat = asked.locator(".maps-heat").first
    asked.get_by_label("show the heat").uncheck()
    assert heat.evaluate("map => getComputedStyle(map).visibility") == "hidden"
    assert asked.locator(".maps-face").first.evaluate("face => getComputedStyle(face).filter") == "none"
    page.reload()
    page.locator("#explain-race > summary").click()
    expect(page.locator("#explain-race .maps-picture")).to_have_count(2)
    assert Job.objects.count() == 1


NOTE_WHAT_IS_READ = """node => {
    window.heard = [];
    const note = () => heard.push(node.textContent.replace(/\\s+/g, " ").trim());
    new MutationObserver(note).observe(node, {childList: true, characterData: true, subtree: true});
}"""


def test_who_waits_hears_once_of_each_change(alices_page, address, photo):
    page = alices_page
    page.goto(address)
    status = page.locator("#explain-race [role=status]")
    status.evaluate(NOTE_WHAT_IS_READ)
    page.locator("#explain-race > summary").click()
    status.get_by_text("waits until").wait_for()
    workers.beat("w1", pid=1, device="cpu", model_version=photo.model_version)
    status.get_by_text("waits for its turn").wait_for()
    Job.objects.claim(limit=1)
    status.get_by_text("The model looks").wait_for()
    page.wait_for_timeout(1500)  # nothing new in the meantime
    Job.objects.update(lease_until=timezone.now())
    work()
    expect(page.locator("#explain-race .maps-picture")).to_have_count(2)
    assert page.evaluate("heard") == [
        "No worker is running just now. This waits until one does.",
        "This waits for its turn. Then the model will look at this face once more.",
        "The model looks at this face once more…",
        "What mattered for perceived group is here.",
    ]
    assert status.bounding_box()["height"] == 0  # the pictures say so to those who see


def test_e_asks_for_one_guess_after_the_other_and_keeps_the_place(alices_page, address):
    page = alices_page
    page.goto(address)
    page.keyboard.press("e")
    page.locator("#explain-race .explanation").get_by_text("waits until").wait_for()
    work()
    page.locator("#explain-race .maps").wait_for()
    assert page.evaluate("document.activeElement.parentElement.id") == "explain-race"
    page.keyboard.press("e")
    page.locator("#explain-gender .explanation").get_by_text("waits until").wait_for()
    page.keyboard.press("Enter")  # the summary has the focus: it closes
    expect(page.locator("#explain-gender")).not_to_have_attribute("open", "")
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="Face 2 of 2").wait_for()
    assert page.locator("details.explain[open]").count() == 0


def test_a_page_that_waits_for_what_is_gone_stops_asking(alices_page, address, photo):
    page = alices_page
    page.goto(address)
    page.locator("#explain-race > summary").click()
    page.locator("#explain-race").get_by_text("waits until").wait_for()
    type(photo).objects.update(deleting_at=photo.received_at)
    page.locator("#explain-race").get_by_text("did not work").wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert asked == []


def test_it_works_without_scripts(live_server, new_page, log_in, alice, address):
    page = log_in(new_page(java_script_enabled=False), alice)
    page.goto(address)
    page.locator("#explain-race > summary").click()
    page.locator("#explain-race").get_by_role("button", name="Ask the model").click()
    work()
    page.get_by_role("link", name="Look whether it is done").click()
    expect(page.locator("#explain-race .maps-picture")).to_have_count(2)


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "viewport"), [("light", WIDE), ("dark", PHONE)])
def test_maps_are_not_hard_to_use(new_page, log_in, alice, address, theme, viewport):
    axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = log_in(new_page(color_scheme=theme, viewport=viewport), alice)
    page.goto(address)
    page.locator("#explain-race > summary").click()
    page.locator("#explain-race .explanation").get_by_text("waits until").wait_for()
    work()
    page.locator("#explain-race .maps").wait_for()
    page.locator("#explain-race .explanation-answer > details > summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [found["id"] for found in axe_playwright.Axe().run(page).response["violations"]] == []
