"""Draws keep what they were drawn from, so there is an end to them: refused in words, on the page and by the API."""

import json

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier.models import Collection, Draw, FrameFace
from classifier.services.reviews import drawing, importing, room
from classifier.services.reviews.refusals import DrawnTooOften, TooManyDraws
from tests import factories
from tests.conftest import logged_in


@pytest.fixture
def small(collection) -> Collection:
    for number in range(4):
        factories.make_face(factories.make_photo(collection, name=f"{number}.jpg"))
    return collection


def begin(collection: Collection) -> Draw:
    return drawing.begin_draw(collection, creator=collection.owner, attribute="race", size=2)


def import_labels(collection: Collection) -> importing.Matched:
    content = b"file,reviewed_race\n0.jpg,Black\n"
    said = {"source": "reference", "is_random_draw": True}
    return importing.import_labels(collection, content=content, actor=collection.owner, **said)


def test_a_collection_has_so_many_draws_and_those_that_ended_do_not_count(small, alice, monkeypatch):
    monkeypatch.setattr(room, "MOST_OPEN", 2)
    first = begin(small)
    drawing.begin_photo_draw(small, creator=alice, size=1)
    before = FrameFace.objects.count()
    with pytest.raises(TooManyDraws, match="2 draws"):
        begin(small)
    with pytest.raises(TooManyDraws):
        drawing.begin_photo_draw(small, creator=alice, size=1)
    with pytest.raises(TooManyDraws):
        import_labels(small)
    assert (Draw.objects.count(), FrameFace.objects.count()) == (2, before)
    assert drawing.enlarge_draw(first, size=1, actor=alice).size == 3
    Draw.objects.filter(pk=first.pk).update(ended=Draw.Ended.SWITCHED_OFF)
    assert begin(small)


def test_a_person_has_so_many_over_all_collections(small, alice, bob, monkeypatch):
    monkeypatch.setattr(room, "MOST_OF_A_PERSON", 1)
    begin(small)
    other = factories.CollectionFactory(owner=alice)
    of_bob = factories.CollectionFactory(owner=bob)
    for each in (other, of_bob):
        for _ in range(2):
            factories.make_face(factories.make_photo(each))
    with pytest.raises(TooManyDraws, match="owner"):
        begin(other)
    assert begin(of_bob)
    Collection.objects.filter(pk=small.pk).update(deleting_at=timezone.now())
    assert begin(other)


def test_frames_of_all_draws_together_have_an_end(small, monkeypatch):
    monkeypatch.setattr(room, "MOST_FRAMED", 8)
    begin(small)
    begin(small)
    with pytest.raises(TooManyDraws, match="faces"):
        begin(small)


def test_who_draws_often_waits(small, alice, bob, settings):
    settings.DRAW_RATE = "3/hour"
    first = begin(small)
    drawing.enlarge_draw(first, size=1, actor=alice)
    drawing.begin_photo_draw(small, creator=alice, size=1)
    for act in (begin, import_labels):
        with pytest.raises(DrawnTooOften) as refused:
            act(small)
        assert 0 < refused.value.wait <= 1200
    with pytest.raises(DrawnTooOften):
        drawing.enlarge_draw(first, size=1, actor=alice)
    with pytest.raises(DrawnTooOften):
        drawing.extend_draw(first, size=1, actor=alice)
    assert drawing.begin_photo_draw(small, creator=bob, size=1)


def test_page_and_api_say_why(small, alice, settings, monkeypatch):
    client = logged_in(alice)
    form = {"kind": "faces", "attribute": "race", "size": "2", "codebook": "look"}
    sent = json.dumps({"collection": str(small.uid), "size": 2})

    def ask():
        page = client.post(reverse("draw-new", args=[small.uid]), form)
        return page, client.post(reverse("api-draw-list"), sent, content_type="application/json")

    with monkeypatch.context() as full:
        full.setattr(room, "MOST_OPEN", 0)
        page, answer = ask()
    assert "may have no more" in page.content.decode()
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many_draws")
    settings.DRAW_RATE = "1/hour"
    begin(small)
    page, answer = ask()
    assert "Draw again in" in page.content.decode()
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "throttled")
    assert int(answer["Retry-After"]) == answer.json()["error"]["details"]["retry_after"]
