"""Looking at results: cards beside faces, the photo page by keyboard, the selection, the theme."""

import re

import pytest
from django.urls import reverse

from classifier.models import Photo
from tests.browser.conftest import PHONE

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

WHOLE_VIEW = re.compile(r"^0(\.00)? 0(\.00)? 320(\.00)? 240(\.00)?$")


@pytest.fixture
def gallery_page(live_server, alices_page, gallery):
    alices_page.goto(live_server.url + reverse("collection-detail", args=[gallery.uid]))
    return alices_page


@pytest.fixture
def photo_page(live_server, alices_page, photo):
    alices_page.goto(live_server.url + reverse("photo-detail", args=[photo.uid]))
    return alices_page


def test_pointing_at_a_face_shows_its_bars(gallery_page):
    gallery_page.locator("a.face").first.hover()
    card = gallery_page.locator("#face-card")
    card.get_by_text("perceived group").wait_for()
    assert "Black" in card.inner_text()
    gallery_page.mouse.move(5, 5)
    card.wait_for(state="hidden")


def test_focusing_a_face_shows_its_bars_and_escape_hides_them(gallery_page):
    gallery_page.locator("#gallery .tile", has_text="team.jpg").locator(".mat > a").focus()
    gallery_page.keyboard.press("Tab")
    card = gallery_page.locator("#face-card")
    card.get_by_text("Face 1").wait_for()
    gallery_page.keyboard.press("Tab")
    card.get_by_text("Face 2").wait_for()
    assert card.locator(".unsure").count() == 3
    gallery_page.keyboard.press("Escape")
    assert not card.is_visible()


def test_tapping_a_face_shows_its_bars_before_the_photo(live_server, new_page, log_in, alice, gallery):
    page = log_in(new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True), alice)
    page.goto(live_server.url + reverse("collection-detail", args=[gallery.uid]))
    page.locator("a.face .box").first.tap()
    card = page.locator("#face-card")
    card.get_by_text("perceived group").wait_for()
    box = card.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    card.get_by_role("link", name="Open the photo").tap()
    page.wait_for_url("**/photos/*/?face=1")


def test_arrows_go_from_face_to_face_and_z_zooms(photo_page):
    page = photo_page
    view = page.locator("#picture > svg")
    expect(view).to_have_attribute("viewBox", WHOLE_VIEW)
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="Face 2 of 2").wait_for()
    assert page.locator("#face-2").get_attribute("aria-current") == "true"
    assert "face=2" in page.url
    page.keyboard.press("z")
    expect(view).not_to_have_attribute("viewBox", WHOLE_VIEW)
    page.keyboard.press("ArrowRight")
    page.get_by_role("heading", name="Face 1 of 2").wait_for()
    page.keyboard.press("z")
    expect(view).to_have_attribute("viewBox", WHOLE_VIEW)


def test_a_click_on_a_box_chooses_its_face(photo_page):
    photo_page.evaluate("window.isSamePage = true")
    photo_page.locator("#face-2 .box").click()
    photo_page.get_by_role("heading", name="Face 2 of 2").wait_for()
    assert photo_page.evaluate("window.isSamePage")
    assert photo_page.get_by_text("too small to say much").count() == 1


def test_the_grouping_is_switched_on_the_page(photo_page):
    photo_page.click("#grouping-race")
    photo_page.locator("details[open] a", has_text="UTKFace").first.click()
    photo_page.wait_for_url("**taxonomy=utkface-5**")
    assert "Others" in photo_page.inner_text("#face-panel")


def test_filters_are_sent_by_their_button_and_leave_a_short_address(gallery_page):
    gallery_page.click("#filter")
    gallery_page.select_option("[name=gender]", "Female")
    assert "gender=" not in gallery_page.url
    gallery_page.get_by_role("button", name="Show these").click()
    gallery_page.wait_for_url("**gender=Female**")
    assert "group=" not in gallery_page.url
    assert gallery_page.locator(".tile").count() == 1
    gallery_page.locator(".results").get_by_role("link", name="Show all").click()
    expect(gallery_page.locator(".tile")).to_have_count(5)


def test_selected_photos_are_deleted_after_a_second_click(gallery_page):
    page = gallery_page
    page.get_by_label("Select broken.jpg").check(force=True)
    page.get_by_label("Select landscape.jpg").check(force=True)
    assert page.inner_text(".selection-count") == "2 selected"
    page.get_by_text("Delete selected…").click()
    page.locator("#selection").get_by_role("button", name="Delete for good").click()
    page.get_by_text("2 photos were deleted.").wait_for()
    assert set(Photo.objects.values_list("name", flat=True)) == {"team.jpg", "waiting.jpg", "running.jpg"}


def test_the_theme_follows_the_system_until_it_is_chosen(live_server, new_page, db):
    page = new_page(color_scheme="dark")
    page.goto(live_server.url + reverse("about"))
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    button = page.get_by_role("button", name="Theme: system")
    button.click()
    page.get_by_role("button", name="Theme: light").wait_for()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(ground) == light


def test_a_running_photo_is_told_by_form_even_when_nothing_may_move(live_server, new_page, log_in, alice, gallery):
    page = log_in(new_page(reduced_motion="reduce"), alice)
    page.goto(live_server.url + reverse("collection-detail", args=[gallery.uid]))
    ring = page.locator(".tile .state-running .turning")
    assert ring.is_visible()
    assert ring.evaluate("ring => getComputedStyle(ring).animationName") == "none"


def test_a_new_token_can_be_copied(live_server, alices_page):
    page = alices_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(live_server.url + reverse("token-list"))
    page.fill("[name=name]", "laptop")
    page.get_by_role("button", name="Make token").click()
    page.locator("[data-copy=key]").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#key")


def test_a_filter_left_unset_stays_out_of_the_address_and_usable(gallery_page):
    gallery_page.evaluate(
        "document.querySelector('.filters form').addEventListener('submit', (e) => e.preventDefault())"
    )
    gallery_page.click("#filter")
    gallery_page.locator("#id_gender").select_option("Female")
    gallery_page.get_by_role("button", name="Show these").click()  # somebody stays on the page after all
    assert gallery_page.locator(".filters :disabled").count() == 0
    gallery_page.reload()
    gallery_page.click("#filter")
    gallery_page.locator("#id_gender").select_option("Female")
    gallery_page.get_by_role("button", name="Show these").click()
    gallery_page.wait_for_url("**/?gender=Female#filter")
    assert "age=" not in gallery_page.url


def test_a_finger_hits_a_face_however_small_it_is_drawn(live_server, new_page, log_in, alice, gallery):
    page = log_in(new_page(viewport=PHONE, is_mobile=True, has_touch=True), alice)
    for place in (
        reverse("collection-detail", args=[gallery.uid]),
        reverse("photo-detail", args=[gallery.photos.get(name="team.jpg").uid]),
    ):
        page.goto(live_server.url + place)
        page.locator("a.face").first.scroll_into_view_if_needed()
        reached = page.evaluate(
            """() => [...document.querySelectorAll("a.face")].map((face) => {
                const { x, y, width, height } = face.querySelector(".box").getBoundingClientRect();
                const across = (at) => document.elementFromPoint(x + width / 2 + at, y + height / 2)?.closest("a.face");
                const [left, right] = [-Math.max(11, width / 2 - 1), Math.max(11, width / 2 - 1)].map(across);
                return left === face && right === face;
            })"""
        )
        assert reached == [True, True], place
