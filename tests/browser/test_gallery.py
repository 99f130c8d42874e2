"""The gallery as somebody meets it: filled live, filtered by keyboard, on a phone, and walked photo by photo."""

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier.models import Photo, State
from classifier.services import analysis
from tests import factories, pictures
from tests.browser import axe

pytestmark = pytest.mark.browser


def tiles_of(page) -> list[str]:
    return page.eval_on_selector_all("#gallery .tile", "tiles => tiles.map(tile => tile.id)")


def test_a_gallery_filled_live_is_the_one_a_reload_shows(live_server, alices_page, collection, tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.jpg").write_bytes(pictures.jpeg(64, 48, seed=number))
    page = alices_page
    page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    page.set_input_files("#id_images", sorted(tmp_path.iterdir()))
    page.locator("#sending-text", has_text="all sent · 60 added").wait_for()
    page.locator(".pager a[rel=next]").wait_for()
    page.locator("#gallery .tile").nth(47).wait_for()
    while analysis.run_once():
        pass
    page.locator("#progress[data-pending]").wait_for(state="detached")
    page.wait_for_load_state("networkidle")
    live = tiles_of(page)
    assert len(live) == 48
    assert page.locator("#upload.is-slim").count() == 1
    assert axe.list_violations(page) == []
    page.reload()
    assert tiles_of(page) == live
    page.click(".pager a[rel=next]")
    page.locator(".pager a[rel=prev]").wait_for()
    assert (len(tiles_of(page)), set(tiles_of(page)) & set(live)) == (12, set())


def test_a_filtered_gallery_takes_in_what_a_worker_is_through_with(live_server, alices_page, collection):
    """Before the last photo is done, too: it is never another gallery than a reload would show."""
    waiting = [factories.make_photo(collection, state=State.QUEUED) for _ in range(3)]
    page = alices_page
    page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]) + "?state=done")
    assert tiles_of(page) == []
    Photo.objects.filter(pk=waiting[0].pk).update(state=State.DONE, finished_at=timezone.now())
    page.locator("#gallery .tile").first.wait_for()
    live = tiles_of(page)
    page.reload()
    assert tiles_of(page) == live


@pytest.fixture
def three(collection):
    photos = [factories.make_photo(collection, name=f"img{number}.jpg") for number in (1, 2, 3)]
    for photo in photos:
        factories.make_face(photo, race="Black")
    factories.make_face(photos[0], number=2, race="White", x1=200.0, x2=280.0)
    return photos


def test_filters_wait_for_their_button_and_the_photo_page_follows_them(live_server, alices_page, collection, three):
    page = alices_page
    factories.make_face(factories.make_photo(collection, name="other.jpg"), race="White")
    page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    page.focus("#filter")
    page.keyboard.press("Enter")
    page.focus("#id_group")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert "group" not in page.url
    page.select_option("#id_group", "Black")
    assert axe.list_violations(page) == []
    page.get_by_role("button", name="Show these").press("Enter")
    page.wait_for_url("**/*group=Black*")
    assert page.url.endswith("?group=Black#filter")
    assert page.evaluate("document.activeElement.id") == "filter"
    assert "3 photos with 3 such faces" in page.inner_text(".results-count")
    assert page.locator("#gallery a.face.is-other").count() == 1
    assert axe.list_violations(page) == []
    page.get_by_role("link", name="Report on these").click()
    page.wait_for_url("**/report/?group=Black")
    page.get_by_role("link", name="See these photos").click()
    page.wait_for_url("**/?group=Black#filter")
    page.locator("#gallery .mat > a").nth(1).click()
    assert page.inner_text("#place") == "2 of 3"
    assert axe.list_violations(page) == []
    page.locator(".photo-actions summary").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(f"**{reverse('photo-detail', args=[three[0].uid])}?group=Black")
    assert page.inner_text("#place") == "2 of 2"
    page.click("#way-back")
    assert len(tiles_of(page)) == 2
    page.locator(".results a.chip").click()
    page.wait_for_url("**/?#filter")
    assert page.locator("#gallery .tile").count() == Photo.objects.count() == 3


def test_on_a_phone_the_filters_are_a_sheet(live_server, new_page, log_in, alice, collection, three):
    page = log_in(new_page(viewport={"width": 390, "height": 844}, has_touch=True), alice)
    page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.tap("#filter")
    sheet = page.locator(".filters > form").bounding_box()
    assert (sheet["x"], sheet["width"], sheet["y"] + sheet["height"]) == (0, 390, 844)
    assert axe.list_violations(page) == []
    page.tap("h1")
    page.locator("#gallery a.face").first.tap()
    card = page.locator("#face-card:not([hidden])")
    card.wait_for()
    assert page.locator("#gallery a.face").first.bounding_box()["y"] < card.bounding_box()["y"]
    assert axe.list_violations(page) == []
