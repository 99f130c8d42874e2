"""Around the answers: a draw from its beginning to its results, photos with missed faces, a plain queue."""

import pytest
from django.urls import reverse

from classifier.models import Draw, PhotoReview, Review, User
from classifier.services.reviews import answering, drawing, serving
from classifier.services.reviews.answering import Answer
from tests import factories
from tests.browser.conftest import PHONE
from tests.browser.reviewing.steps import ALL, check, count, press, ready, saved, shown, told, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    page.get_by_label("Another number of faces").fill("4")
    page.locator("input[name=size][value=other]").check()
    click("button", "Draw the sample")
    click("link", "Begin")
    draw = Draw.objects.get()
    for answered in range(1, 5):
        ready(page)
        for name in ("Black", "Female", "30-39"):
            page.get_by_role("button", name=name, exact=True).click()
        if answered < 4:
            count(page, f"{answered} of 4")
    click("link", "See what came of it")
    wait_for(lambda: told(draw).count(), 4)
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
    third = log_in(new_page(viewport=PHONE), User.objects.get(username="dora"))
    third.goto(live_server.url + reverse("draw-detail", args=[draw.uid]))
    click("link", "Settle 2 disagreements", on=third)
    check(third)
    third.keyboard.press("3")
    third.get_by_text("1 left").wait_for()
    third.keyboard.press("u")
    third.get_by_text("2 left").wait_for()
    third.keyboard.press("1")
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
