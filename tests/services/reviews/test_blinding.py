"""What others said is kept from whoever is still to answer about it, wherever it would be told."""

import pytest
from django.urls import reverse

from classifier.models import Collection, CollectionShare, Draw, KeptReport
from classifier.services import tokens
from classifier.services.reports import caching, keeping, reading
from classifier.services.reviews import answering, blinding, drawing, photos, serving
from classifier.services.reviews.answering import Answer
from tests import factories
from tests.conftest import logged_in

KEPT_FROM = "What others said"
ALL = {"race": "White", "gender": "Female", "age": "30-39"}


def answer(draw, reviewer, *, count: int = 1_000) -> None:
    """So many of the faces that wait."""
    _, faces = serving.next_faces(draw, reviewer=reviewer, count=count)
    for face in faces:
        answering.answer_face(draw, face=face, reviewer=reviewer, answer=Answer(answers=ALL))


@pytest.fixture
def answered(draw, pictured, alice) -> KeptReport:
    """A report that alice keeps when she has answered in all of her draw."""
    answer(draw, alice)
    pictured.refresh_from_db()
    question = reading.default_question(pictured)
    found = caching.read_answer(pictured, question=question, user=alice)
    assert found.draw == draw.uid
    return keeping.keep_report(
        pictured, values=found.values, question=question, title="all", user=alice, draw=found.draw
    )


def pages(draw: Draw) -> dict[str, str]:
    """Where what people said in a draw would stand."""
    collection = draw.collection.uid
    return {
        "draw": reverse("draw-detail", args=[draw.uid]),
        "collection": reverse("collection-detail", args=[collection]),
        "list": reverse("collection-list"),
        "summary": reverse("collection-summary", args=[collection]),
        "report": reverse("collection-report", args=[collection]),
        "kept": reverse("collection-kept-report", args=[collection, 1]),
        "beside": reverse("collection-kept-report-compare", args=[collection]) + "?report=1&report=2",
        "export": reverse("collection-report-export", args=[collection]) + "?format=csv",
        "chart": reverse("collection-kept-report-chart", args=[collection, 1, "race"]),
        "results": reverse("api-draw-results", args=[draw.uid]),
        "answer": reverse("api-collection-report", args=[collection]),
        "whole": reverse("api-kept-report-detail", args=[KeptReport.objects.get(number=1).uid]),
    }


def test_an_invited_reviewer_sees_what_others_said_when_nothing_waits_any_more(answered, draw, alice, carol):
    keeping.keep_report(
        draw.collection, values=answered.values | {"title": "2"}, question=reading.default_question(draw.collection),
        title="again", user=alice, draw=draw.uid,
    )  # fmt: skip
    client = logged_in(carol)
    headers = {"Authorization": f"Token {tokens.create_token(carol, name='laptop')[1]}"}
    for part in (0, 19):
        answer(draw, carol, count=part)
        for name, address in pages(draw).items():
            page = client.get(address, headers=headers if address.startswith("/api/") else {})
            told = page.content.decode()
            if name in ("export", "chart"):
                assert page.status_code in (403, 404), name
                continue
            assert KEPT_FROM in told, name
            assert "as these reviewers perceive" not in told
            assert "reviewer perceived in" not in told
            assert page.status_code == (403 if name in ("kept", "beside") else 409 if "/api/" in address else 200), name
    answer(draw, carol)
    for name, address in pages(draw).items():
        page = client.get(address, headers=headers if address.startswith("/api/") else {})
        assert page.status_code == 200, name
        assert page.streaming or KEPT_FROM not in page.content.decode(), name


def test_owners_readers_and_administrators_who_do_not_review_see_it_at_once(answered, draw, alice, bob):
    CollectionShare.objects.create(collection=draw.collection, user=bob, role=CollectionShare.Role.READ)
    Collection.objects.update(is_opened_to_reviewers=True)
    adam = factories.UserFactory(username="adam", is_staff=True)
    for person in (alice, bob, adam):
        page = logged_in(person).get(reverse("draw-detail", args=[draw.uid]))
        assert "as these reviewers perceive" in page.content.decode()
        blinding.check_kept(answered, reader=person)
    answer(draw, adam, count=1)
    assert blinding.list_blind([draw.uid], reader=adam) == {draw.uid}


def test_a_report_kept_before_its_draw_was_noted_is_kept_back_too(answered, draw, alice, carol):
    old = keeping.keep_report(
        draw.collection, values=answered.values | {"title": "old"}, question=reading.default_question(draw.collection),
        title="old", user=alice,
    )  # fmt: skip
    with pytest.raises(blinding.StillBlind):
        blinding.check_kept(old, reader=carol)
    answer(draw, carol)
    blinding.check_kept(old, reader=carol)


def test_how_many_faces_were_missed_is_kept_back_as_well(pictured, alice, carol):
    draw = drawing.begin_photo_draw(pictured, creator=alice, size=2, seed=3)
    address = reverse("draw-detail", args=[draw.uid])
    for reviewer in (alice, carol):
        assert KEPT_FROM in logged_in(carol).get(address).content.decode()
        for photo in photos.next_photos(draw, reviewer=reviewer, count=2)[1]:
            photos.mark_photo(draw, photo=photo, reviewer=reviewer, marks=[])
    assert "photos: 2 found" in logged_in(carol).get(address).content.decode()


def test_a_kept_report_leads_to_the_faces_that_the_model_is_wrong_about(answered, draw, alice_client):
    page = alice_client.get(reverse("collection-kept-report", args=[draw.collection.uid, 1])).content.decode()
    assert f"{reverse('draw-detail', args=[draw.uid])}#mistakes-race" in page
