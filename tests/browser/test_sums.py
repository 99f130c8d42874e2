"""An aggregate-only collection in the browser: made, filled, counted and read, and easy to use in every theme."""

import pytest
from django.urls import reverse

from classifier.models import Aggregate, Photo, State
from classifier.services import analysis, collections
from tests import factories, pictures
from tests.browser import axe
from tests.sums import add, take_photos

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser


@pytest.fixture
def sums_only(alice):
    """With 300 photos counted, one that waits and one that failed."""
    version = factories.ModelVersionFactory()
    factories.give_evidence(version)
    made = collections.create_collection(
        alice, name="Campaign 2026", purpose="Who is seen in the spring campaign", is_aggregate_only=True
    )
    add(made, take_photos(300), version=version)
    factories.make_photo(made, state=State.FAILED, code="timed_out", name="broken.jpg")
    return made


def test_photos_that_are_added_are_counted_and_gone(live_server, alices_page, alice):
    page = alices_page
    page.goto(live_server.url + reverse("collection-create"))
    page.get_by_label("Name").fill("Campaign")
    page.get_by_label("Purpose").fill("Who is seen in it")
    page.get_by_label("Keep only sums (aggregate-only)").check()
    page.get_by_label("I declare this for every photo I add").check()
    page.get_by_role("button", name="Make collection").click()
    expect(page.get_by_text("sums only, no photos")).to_be_visible()
    page.goto(page.url)
    page.set_input_files(
        "#id_images",
        [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": pictures.jpeg(seed=n)} for n in range(3)],
    )
    expect(page.locator("#progress")).to_contain_text("3 queued")
    while analysis.run_once():
        pass
    expect(page.locator("#progress")).to_contain_text("3 done")
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text("from 10 faces of several photos on")
    assert Aggregate.objects.get().photos == 3
    assert not Photo.objects.exists()


def test_its_pages_are_easy_to_use(live_server, new_page, log_in, alice, sums_only):
    page, faults = log_in(new_page(), alice), []
    for name in ("collection-detail", "collection-report"):
        page.goto(live_server.url + reverse(name, args=[sums_only.uid]))
        page.wait_for_load_state("networkidle")
        faults += axe.find_faults(page, name=name, variants=axe.BOTH_THEMES)
    assert not faults, "\n".join(faults)
