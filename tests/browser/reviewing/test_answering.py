"""Answering in a draw by keyboard, by touch and without scripts; with a queue's guess; and where photos are marked."""

import pytest
from django.urls import reverse

from classifier.models import CANNOT_TELL, Face, PhotoReview, Review
from classifier.services.reviews import drawing
from tests.browser.conftest import PHONE
from tests.browser.reviewing.steps import begin, check, count, press, ready, saved, shown, told, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_by_keyboard_alone(live_server, alices_page, alice, draw):
    page = alices_page
    begin(page, live_server.url, draw)
    assert page.locator(".is-guess").count() == 0
    check(page)
    first = shown(page)
    press(page, "11")
    assert page.locator("[data-question=age] .answer-button[data-digit='5'] kbd").is_visible()
    page.keyboard.press("0")
    count(page, "1 of 9")
    second = shown(page)
    assert second != first
    # Several steps back, over answers and over faces.
    press(page, "2")
    press(page, "u")
    assert page.locator("[aria-pressed=true]").count() == 1 - 1
    press(page, "u")
    assert shown(page) == first
    assert page.locator("[data-question] [aria-pressed=true]").count() == 2
    press(page, "u2")
    assert page.locator("[data-question=gender] [aria-pressed=true]").inner_text().split()[-1] == "Female"
    press(page, "5")
    assert shown(page) == second
    saved(page)
    review = told(draw).get()
    assert review.answers == {"race": "White", "gender": "Female", "age": "30-39"}
    assert review.was_blind
    # Whatever can be opened is closed by the keyboard, and found by those who hear it.
    for key, element in (("?", "#review-keys"), ("h", "#review-codebook")):
        press(page, key)
        assert page.locator(element).is_visible()
        check(page)
        page.keyboard.press("Escape")
    press(page, "c")
    assert page.locator(".review-context").is_visible()
    check(page)
    press(page, "ct")
    page.keyboard.type("seen from behind 1")
    page.keyboard.press("Escape")
    press(page, "n")
    count(page, "2 of 9")
    put_off = shown(page)
    press(page, "s")
    for answered in range(3, 9):
        press(page, "120")
        count(page, f"{answered} of 9")
    ready(page)
    assert shown(page) == put_off  # it comes again at the end
    assert "Perceived group" in page.locator("#review-live").text_content()
    press(page, "7")
    press(page, "00")
    page.wait_for_selector(".review-end:visible")
    assert page.evaluate("document.activeElement.id") == "end-title"
    check(page)
    saved(page)
    wait_for(lambda: told(draw).count(), 9)
    assert told(draw, verdict=Review.Verdict.NOT_A_FACE).get().comment == "seen from behind 1"
    last = told(draw, face__uid=put_off).get()
    assert last.answers == {"race": "Middle Eastern", "gender": CANNOT_TELL, "age": CANNOT_TELL}
    page.keyboard.press("u")
    ready(page)
    assert shown(page) == put_off
    wait_for(lambda: told(draw).count(), 8)


def test_by_touch_on_a_phone(live_server, new_page, log_in, alice, draw):
    page = log_in(new_page(viewport=PHONE, has_touch=True, is_mobile=True, color_scheme="dark"), alice)
    begin(page, live_server.url, draw)
    check(page)
    low = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.is-active .answer-button, .review-acts .button')]"
        ".map(e => e.getBoundingClientRect().bottom))"
    )
    assert low <= PHONE["height"]  # the face, its answers and the ways on are seen at once
    small = page.evaluate(
        "[...document.querySelectorAll('.is-active .answer-button, .review-acts .button, .told')]"
        ".filter(e => e.getBoundingClientRect().height < 24).length"
    )
    assert small == 0
    tall = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.is-active .answer-button')]"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert tall >= 44
    face = shown(page)
    page.get_by_role("button", name="Indian").tap()
    page.get_by_role("button", name="Female").tap()
    page.get_by_role("button", name="group Indian").tap()  # said again
    page.get_by_role("button", name="East Asian", exact=True).tap()
    check(page)
    page.get_by_role("button", name="20-29").tap()
    count(page, "1 of 9")
    ready(page)
    page.get_by_role("button", name="Whole photo").tap()
    assert page.locator(".review-context").is_visible()
    page.get_by_role("button", name="Not a face").tap()
    count(page, "2 of 9")
    page.get_by_role("button", name="Skip").tap()
    ready(page)
    page.get_by_role("button", name="Undo").tap()
    page.get_by_role("button", name="Undo").tap()
    count(page, "1 of 9")
    saved(page)
    wait_for(lambda: list(told(draw).values_list("face__uid", flat=True)), [Face.objects.get(uid=face).uid])
    assert told(draw).get().answers == {"race": "East Asian", "gender": "Female", "age": "20-29"}


def test_without_scripts(live_server, new_page, log_in, alice, pictured, draw):
    page = log_in(new_page(java_script_enabled=False), alice)
    page.goto(live_server.url + reverse("draw-review", args=[draw.uid]))
    click = lambda name: page.get_by_role("button", name=name, exact=True).click()  # noqa: E731
    click("White")
    click("Female")
    click("Undo")
    click("Male")
    click("30-39")
    first = told(draw).get()
    assert first.answers == {"race": "White", "gender": "Male", "age": "30-39"}
    face = shown(page)
    click("Skip")
    assert shown(page) != face
    click("Not a face")
    click("Undo")
    assert told(draw).get() == first
    assert page.get_by_role("link", name="Whole photo").get_attribute("href").endswith("/image/")
    photos = drawing.begin_photo_draw(pictured, creator=alice, size=3, seed=1)
    page.goto(live_server.url + reverse("draw-review", args=[photos.uid]))
    page.locator("input[name=point]").click(position={"x": 240, "y": 60})
    page.locator("input[name=point]").click(position={"x": 16, "y": 200})
    click("Undo")
    page.get_by_role("button", name="1 missed: next").click()
    assert PhotoReview.objects.get().marks == [[0.75, 0.25]]
    # A new draw whose sizes are worked out anew, and its queue.
    page.goto(live_server.url + reverse("draw-new", args=[pictured.uid]))
    page.get_by_label("Photos, to count the faces that were missed").check()
    click("Work the numbers out anew")
    assert "9 photos to draw from" in page.locator(".draw-frame").inner_text()
    page.locator("input[name=size][value=other]").check()
    page.get_by_label("Another number of photos").fill("4")
    click("Draw the sample")
    assert page.get_by_role("heading", level=1).inner_text() == "4 photos, for faces that were missed"


HEAR = """() => {
    window.heard = [];
    for (const place of document.querySelectorAll("[aria-live], [role=status], [role=alert], output")) {
        const note = () => {
            const words = place.textContent.trim();
            if (words && !place.hidden && words !== window.heard.at(-1)) window.heard.push(words);
        };
        new MutationObserver(note).observe(place, {childList: true, characterData: true, subtree: true});
    }
}"""


def test_by_screen_reader(live_server, alices_page, alice, draw):
    page = alices_page
    begin(page, live_server.url, draw)
    tree = page.locator("#review").aria_snapshot()
    for line in (
        'heading "9 faces by perceived group" [level=1]',
        'group "Perceived group":',
        'progressbar "Answered"',
    ):
        assert f"- {line}" in tree
    for button in ("White", "cannot tell", "Whole photo", "Not a face", "Skip", "Undo", "How to decide", "Keys"):
        assert f'- button "{button}"' in tree
    assert '- img "The face to answer about, 80 pixels wide"' in tree
    white, male = (page.get_by_role("button", name=name, exact=True) for name in ("White", "Male"))
    assert (white.get_attribute("aria-keyshortcuts"), male.get_attribute("aria-keyshortcuts")) == ("1", None)
    page.evaluate(HEAR)
    press(page, "1")
    assert (white.get_attribute("aria-pressed"), male.get_attribute("aria-keyshortcuts")) == ("true", "1")
    press(page, "15")
    saved(page)
    next_one = "Saved. Face 2. Perceived group?"
    page.wait_for_function("words => window.heard.at(-1) === words", arg=next_one)
    # Each answer is told once, and that it is kept is no news.
    assert page.evaluate("window.heard") == ["Perceived gender?", "Perceived age?", next_one]
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    press(page, "n")
    lost = "no connection: 1 answer kept in this browser, sent as soon as it is back"
    page.wait_for_function("words => window.heard.at(-1) === words", arg=lost)
    page.context.set_offline(False)
    page.wait_for_function("() => window.heard.at(-1) === 'all saved'")
    # By the buttons alone: the next question is where one goes on.
    ready(page)
    white.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Perceived gender"
    press(page, "?")
    page.get_by_label("Single letters and digits work as keys").uncheck()
    assert male.get_attribute("aria-keyshortcuts") is None
