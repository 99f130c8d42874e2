"""A connection that breaks off, two windows, and what goes while somebody answers: nothing is lost."""

import pytest
from django.urls import reverse

from classifier.models import CANNOT_TELL, CollectionShare, Face, Review
from classifier.services import collections
from classifier.services.reviews import answering
from classifier.services.reviews.answering import Answer
from tests.browser.reviewing.steps import ALL, begin, check, count, press, ready, saved, shown, told, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
