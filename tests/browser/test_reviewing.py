"""Reviewing in a browser: by keyboard, by touch, by mouse, without scripts, and with a connection that breaks off."""

import time

import pytest
from django.urls import reverse

from classifier.models import CANNOT_TELL, CollectionShare, Draw, Face, PhotoReview, Review
from classifier.services import collections
from classifier.services.reviews import answering, drawing, serving
from classifier.services.reviews.answering import Answer
from tests import factories
from tests.browser.conftest import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

RACES = ["White"] * 6 + ["Black"] * 3
ALL = {"race": "White", "gender": "Female", "age": "30-39"}
PATIENCE_S = 15


@pytest.fixture
def pictured(collection):
    """Alice's collection of nine photos with a face each."""
    for number, race in enumerate(RACES):
        factories.make_face(factories.make_photo(collection, name=f"{number}.jpg"), race=race)
    return collection


@pytest.fixture
def draw(pictured, alice) -> Draw:
    return drawing.begin_draw(pictured, creator=alice, attribute="race", size=9, seed=5)


@pytest.fixture
def carol(pictured):
    carol = factories.UserFactory(username="carol")
    CollectionShare.objects.create(collection=pictured, user=carol, role=CollectionShare.Role.REVIEW)
    return carol


def check(page) -> None:
    """Nothing is hard to use in the state that the page is in, nor wider than its window."""
    found = [
        f"{violation['id']}: {'; '.join(node['html'][:120] for node in violation['nodes'][:3])}"
        for violation in axe_playwright.Axe().run(page).response["violations"]
    ]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def begin(page, root: str, draw: Draw) -> None:
    page.goto(root + reverse("draw-review", args=[draw.uid]))
    ready(page)


def ready(page) -> None:
    """The face stands in its frame: only then it can be answered about."""
    page.wait_for_selector(".review-form:visible .review-picture:not(.is-loading)")


def press(page, keys: str) -> None:
    ready(page)
    for key in keys:
        page.keyboard.press(key)


def shown(page) -> str:
    return page.input_value("input[name=face]")


def count(page, words: str) -> None:
    page.wait_for_function("words => document.getElementById('review-count').textContent === words", arg=words)


def saved(page, words: str = "all saved") -> None:
    page.wait_for_function("words => document.querySelector('#review-saved span').textContent === words", arg=words)


def wait_for(wanted, value) -> None:
    """Until the server, in its own thread, has stored what is wanted."""
    until = time.monotonic() + PATIENCE_S
    while wanted() != value and time.monotonic() < until:
        time.sleep(0.05)
    assert wanted() == value


def told(draw: Draw, **values):
    return Review.objects.told().filter(draw=draw, **values)


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


def test_a_lost_connection_keeps_answers_and_sends_them_later(live_server, alices_page, alice, draw):
    page, context = alices_page, alices_page.context
    begin(page, live_server.url, draw)
    press(page, "111")
    count(page, "1 of 9")
    saved(page)
    page.wait_for_load_state("networkidle")  # five faces more are here now
    context.set_offline(True)
    for answered in range(2, 5):
        press(page, f"{answered}22")
        count(page, f"{answered} of 9")
    saved(page, "no connection: 3 answers kept in this browser, sent as soon as it is back")
    check(page)
    press(page, "u")  # what was not sent is taken back here
    saved(page, "no connection: 2 answers kept in this browser, sent as soon as it is back")
    press(page, "0")
    assert told(draw).count() == 1
    page.close()  # and the window is closed as well
    context.set_offline(False)
    page = context.new_page()
    page.goto(live_server.url + reverse("review-home"))
    page.get_by_text("The answers that were kept in this browser have been sent.").wait_for()
    answers = list(told(draw).order_by("pk").values_list("answers", flat=True))
    assert [answer["race"] for answer in answers] == ["White", "Black", "Latino_Hispanic", "East Asian"]
    assert [answer["age"] for answer in answers] == ["0-2", "3-9", "3-9", CANNOT_TELL]
    assert Review.objects.filter(draw=draw).count() == 4
    # Logged out in the middle: kept too, and sent once somebody is back.
    begin(page, live_server.url, draw)
    count(page, "4 of 9")
    cookies = [cookie for cookie in context.cookies() if cookie["name"] == "sessionid"]
    context.clear_cookies(name="sessionid")
    press(page, "515")
    saved(page, "logged out: 1 answer kept in this browser")
    assert page.get_by_role("link", name="Log in again").is_visible()
    context.add_cookies(cookies)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # back from the other window
    saved(page)
    wait_for(lambda: told(draw).count(), 5)


def test_two_windows_ask_nothing_twice_and_undo_what_is_theirs(live_server, alices_page, alice, draw):
    one, two = alices_page, alices_page.context.new_page()
    begin(one, live_server.url, draw)
    begin(two, live_server.url, draw)
    first = shown(one)
    assert shown(two) == first
    press(one, "111")
    count(one, "1 of 9")
    two.wait_for_function("uid => document.querySelector('input[name=face]').value !== uid", arg=first)
    assert "in another window" in two.locator("#review-live").text_content()
    saved(one)
    second = shown(two)
    press(two, "222")
    saved(two)
    wait_for(lambda: told(draw).count(), 2)
    press(one, "u")  # its own answer, though the other window's came after it
    wait_for(lambda: [str(uid) for uid in told(draw).values_list("face__uid", flat=True)], [second])
    assert shown(one) == first
    # One that was answered elsewhere, of which this window heard nothing: what was said first stands.
    face = Face.objects.get(uid=shown(one))
    answering.answer_face(draw, face=face, reviewer=alice, answer=Answer(answers=ALL))
    press(one, "0")
    one.get_by_text("You have answered this in another window.").wait_for()
    assert told(draw, face=face).get().answers == ALL


def test_what_goes_while_somebody_answers_is_told_and_loses_nothing(live_server, new_page, log_in, alice, carol, draw):
    page = log_in(new_page(), carol)
    begin(page, live_server.url, draw)
    gone = Face.objects.select_related("photo").get(uid=shown(page))
    gone.photo.__class__.objects.filter(pk=gone.photo_id).update(deleting_at=gone.photo.received_at)
    press(page, "111")
    page.get_by_text("This face is not in the draw any more").wait_for()
    check(page)
    press(page, "222")
    wait_for(lambda: told(draw, reviewer=carol).count(), 1)
    collections.change_collection(draw.collection, actor=alice, attributes=["race", "gender"])
    press(page, "323")
    page.get_by_text("perceived age was switched off").wait_for()
    wait_for(lambda: told(draw, reviewer=carol).count(), 2)
    CollectionShare.objects.filter(user=carol).delete()
    press(page, "414")
    page.get_by_text("you are no longer one of its reviewers").wait_for()
    saved(page, "1 answer cannot be saved")
    check(page)
    # Asked again, it goes on where it was, with what was kept here.
    CollectionShare.objects.create(collection=draw.collection, user=carol, role=CollectionShare.Role.REVIEW)
    page.reload()
    wait_for(lambda: told(draw, reviewer=carol).count(), 3)
    ready(page)
    collections.change_collection(draw.collection, actor=alice, attributes=["gender"])
    press(page, "515")
    page.get_by_text("This draw has ended").wait_for()
    page.reload()
    page.wait_for_selector(".is-closed .review-closed:visible")
    assert not page.locator(".review-end").is_visible()
    check(page)
    page.goto(live_server.url + reverse("draw-detail", args=[draw.uid]))
    check(page)


def test_missed_faces_by_mouse_and_by_keys(live_server, alices_page, alice, pictured):
    draw = drawing.begin_photo_draw(pictured, creator=alice, size=4, seed=2)
    page = alices_page
    page.goto(live_server.url + reverse("draw-review", args=[draw.uid]))
    picture = page.locator("input[name=point]")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.25})
    picture.click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.9})
    picture.click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.9})  # away with it
    check(page)
    page.get_by_role("button", name="1 face was missed: next").click()
    count(page, "1 of 4")
    picture.focus()  # whoever has just marked by mouse, or came by Tab: all keys work there as well
    for key in ("ArrowLeft", "Shift+ArrowUp", " "):
        page.keyboard.press(key)
    assert page.get_by_role("button", name="Remove mark 1").is_visible()
    check(page)
    page.keyboard.press("Enter")
    count(page, "2 of 4")
    page.keyboard.press("s")
    page.keyboard.press("0")
    count(page, "3 of 4")
    page.wait_for_selector(".review:not(.is-waiting)")
    page.keyboard.press("0")  # the one that was put off
    page.wait_for_selector(".review-end:visible")
    check(page)
    saved(page)
    wait_for(lambda: PhotoReview.objects.filter(is_standing=True, is_skip=False).count(), 4)
    marks = sorted(PhotoReview.objects.filter(is_standing=True).values_list("marks", flat=True))
    assert marks[:2] == [[], []]
    assert marks[2] == [[0.48, 0.4]]
    assert marks[3][0] == pytest.approx([0.75, 0.25], abs=0.01)


def test_from_a_new_draw_to_its_results_by_mouse_alone(live_server, new_page, log_in, alice, carol, pictured):
    page = log_in(new_page(), alice)
    click = lambda role, name, on=page: on.get_by_role(role, name=name).first.click()  # noqa: E731
    page.goto(live_server.url + reverse("review-home"))
    check(page)
    click("link", "Review a sample of")
    check(page)
    page.get_by_label("Photos, to count the faces that were missed").check()
    page.get_by_text("9 photos to draw from").wait_for()
    page.get_by_label("Faces, to tell how people perceive them").check()
    page.get_by_text("9 faces to draw from").wait_for()
    click("button", "Draw the sample")
    click("link", "Begin")
    draw = Draw.objects.get()
    for answered in range(1, 10):
        ready(page)
        for name in ("Black", "Female", "30-39"):
            page.get_by_role("button", name=name, exact=True).click()
        if answered < 9:
            count(page, f"{answered} of 9")
    click("link", "See what came of it")
    wait_for(lambda: told(draw).count(), 9)
    page.reload()
    click("button", "Draw more")
    page.get_by_text("This field is required").wait_for()
    page.get_by_text("where people and the model differ").first.click()
    check(page)
    # Another reviewer disagrees, and a third one, whom alice invites, settles it by keys.
    _, faces = serving.next_faces(draw, reviewer=carol)
    for face in faces[:2]:
        answering.answer_face(draw, face=face, reviewer=carol, answer=Answer(answers=ALL))
    factories.UserFactory(username="dora")
    page.get_by_label("User name or e-mail address").fill("dora")
    click("button", "Invite")
    page.get_by_text("dora may review this collection now").wait_for()
    from classifier.models import User

    third = log_in(new_page(viewport=PHONE), User.objects.get(username="dora"))
    third.goto(live_server.url + reverse("draw-detail", args=[draw.uid]))
    click("link", "Settle 2 disagreements", on=third)
    check(third)
    third.keyboard.press("3")
    third.get_by_text("1 left").wait_for()
    third.keyboard.press("n")
    third.get_by_text("No disagreement waits for you").wait_for()
    check(third)
    assert Review.objects.filter(adjudicates=True, is_standing=True).count() == 2


def test_a_queue_shows_the_guess_and_agrees_with_one_key(live_server, alices_page, alice, pictured):
    page = alices_page
    page.goto(live_server.url + reverse("queue-review", args=[pictured.uid]))
    ready(page)
    assert "model’s guess" in page.locator(".is-guess").inner_text()
    assert "never feed the shares" in page.locator(".review-queue").inner_text()
    check(page)
    first = shown(page)
    press(page, "s")
    second = shown(page)
    press(page, "a")
    press(page, "3")
    saved(page)
    wait_for(lambda: Review.objects.told().count(), 2)
    agreed = Review.objects.get(face__uid=second)
    assert (agreed.draw, agreed.was_blind) == (None, False)
    assert agreed.answers == {"race": agreed.face.guesses.get(attribute="race").label}
    assert not Review.objects.filter(face__uid=first).exists()
    page.locator("#queue-by").select_option("label")
    page.locator("#queue-label").wait_for()
    check(page)
