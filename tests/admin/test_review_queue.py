"""The admin's queue, and the faces that people call none: answered, confirmed and retired there, each look recorded."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from classifier.models import AuditEvent, Collection, CollectionShare, Face, Review, User
from classifier.services.reviews import answering, drawing, queues
from classifier.services.reviews.answering import Answer
from tests import factories
from tests.conftest import logged_in
from tests.services.reviews import made_up

QUEUE, NONE = "admin:classifier_review_queue", "admin:classifier_review_not_faces"


@pytest.fixture
def pictured(collection) -> Collection:
    made_up.add_faces(collection, ["White"] * 30 + ["Black"] * 6, per_photo=2)
    return collection


def say(client, face, said, **more):
    return client.post(reverse(QUEUE), {"say": f"{face.uid}:{said}"}, **more)


def test_the_queue_shows_pictures_guesses_and_answers_and_records_the_look(
    adam_client, alice, pictured, django_assert_max_num_queries
):
    face = Face.objects.first()
    queues.answer_outside(face, reviewer=alice, answer=Answer(answers={"race": "Black"}))
    with django_assert_max_num_queries(30):
        page = adam_client.get(reverse(QUEUE), {"collection": pictured.pk, "attribute": "race"}).content.decode()
    assert page.count("data-row") == 24
    assert "alice said: Black" in page
    assert "Guessed: White 80\N{NO-BREAK SPACE}%" in page
    assert "They never feed the shares" in page
    crops = re.findall(r'src="(/admin/classifier/face/\d+/crop/\?seal=[^"]+)"', page)
    assert len(crops) == 24
    assert AuditEvent.objects.filter(action="photos viewed").last().details["what"] == "queue of faces"
    following = re.search(r'href="(\?[^"]*start=24)"', page)[1].replace("&amp;", "&")
    assert adam_client.get(reverse(QUEUE) + following).content.decode().count("data-row") == 12
    of_label = adam_client.get(reverse(QUEUE), {"attribute": "race", "by": "label", "label": "Black"})
    assert of_label.content.decode().count("data-row") == 6
    otherwise = adam_client.get(reverse(QUEUE), {"attribute": "race", "by": "disagreement"}).content.decode()
    assert otherwise.count("data-row") == 1


def test_an_answer_in_the_admin_is_not_blind_feeds_no_statistics_and_is_replaced_by_the_next(adam_client, pictured):
    face = Face.objects.first()
    assert say(adam_client, face, "Black", HTTP_ACCEPT="application/json").json() == {"said": "Perceived group: Black"}
    assert say(adam_client, face, "agree").status_code == 302
    assert say(adam_client, face, "not_a_face").status_code == 302
    told = Review.objects.order_by("pk")
    assert [(row.verdict, row.answers) for row in told] == [
        ("face", {"race": "Black"}),
        ("face", {"race": "White"}),
        ("not_a_face", {}),
    ]
    assert {(row.was_blind, row.draw) for row in told} == {(False, None)}
    assert [row.is_standing for row in told] == [False, False, True]


def test_what_cannot_be_kept_is_told(adam_client, pictured, bob):
    face = Face.objects.first()
    foreign = factories.make_face(factories.make_photo(factories.CollectionFactory(owner=bob)))
    for said, of in (("Martian", face), ("White", foreign)):
        answer = adam_client.post(
            f"{reverse(QUEUE)}?collection={pictured.pk}", {"say": f"{of.uid}:{said}"}, HTTP_ACCEPT="application/json"
        )
        assert (answer.status_code, list(answer.json())) == (409, ["refused"])
    for said in ("", "x", "x:y", f"{face.uid}:"):
        assert adam_client.post(reverse(QUEUE), {"say": said}).status_code == 302
    for query in ({"collection": "9" * 40}, {"start": "9" * 30}, {"attribute": "x", "by": "y", "label": "z"}):
        assert adam_client.get(reverse(QUEUE), query).status_code == 200
    assert not Review.objects.exists()


def test_the_chosen_are_confirmed_together_as_not_blind(adam_client, pictured):
    chosen = list(Face.objects.order_by("pk")[:3])
    sent = {"confirm": "yes", "face": [str(face.uid) for face in chosen] + ["no uid"]}
    page = adam_client.post(reverse(QUEUE), sent, follow=True).content.decode()
    assert "The guesses of 3 faces were confirmed, as not blind" in page
    assert set(Review.objects.values_list("face_id", "was_blind", "draw")) == {
        (face.pk, False, None) for face in chosen
    }
    assert AuditEvent.objects.get(action="guesses confirmed").details["faces"] == 3


def test_faces_that_wait_in_a_draw_are_not_shown_with_their_guess(adam_client, alice, pictured):
    drawing.begin_draw(pictured, creator=alice, attribute="race", size=30, seed=1)
    page = adam_client.get(reverse(QUEUE)).content.decode()
    assert page.count("data-row") == 6


def test_faces_that_people_call_none_are_listed_the_most_certain_first_and_retired(adam_client, alice, bob, pictured):
    sure, disputed, _ = Face.objects.order_by("pk")[:3]
    none = Answer(verdict=Review.Verdict.NOT_A_FACE)
    for reviewer in (alice, bob):
        queues.answer_outside(sure, reviewer=reviewer, answer=none)
    queues.answer_outside(disputed, reviewer=alice, answer=none)
    queues.answer_outside(disputed, reviewer=bob, answer=Answer(answers={"race": "White"}))
    page = adam_client.get(reverse(NONE)).content.decode()
    assert re.findall(r'name="face" value="(\d+)"', page) == [str(sure.pk), str(disputed.pk)]
    assert "<strong>2</strong> say that it is none." in page
    assert "<strong>1</strong> says, that" not in page
    answer = adam_client.post(reverse(NONE), {"face": [sure.pk, "x"]}, follow=True).content.decode()
    assert "1 face was retired" in answer
    assert list(Face.objects.exclude(retired_at=None)) == [sure]
    assert Review.objects.filter(face=sure).count() == 2


def test_a_crop_without_the_seal_of_a_page_is_a_look_of_its_own(adam_client, alice_client, collection):
    face = factories.make_face(factories.make_photo(collection))
    address = reverse("admin:classifier_face_crop", args=[face.pk])
    answer = adam_client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert AuditEvent.objects.get(action="photo viewed").details["what"] == "face"
    assert alice_client.get(address, follow=True).status_code == 403


def test_who_may_only_look_can_neither_answer_nor_retire_and_nobody_reaches_above_themselves(bob, alice, pictured):
    face = Face.objects.first()
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    may_look = ("view_review", "view_face", "view_photo", "view_draw")
    bob.user_permissions.add(*Permission.objects.filter(codename__in=may_look))
    looker = logged_in(User.objects.get(pk=bob.pk))
    page = looker.get(reverse(QUEUE))
    assert (page.status_code, 'name="say"' in page.content.decode()) == (200, False)
    assert say(looker, face, "White").status_code == 403
    assert looker.post(reverse(NONE), {"face": [face.pk]}).status_code == 403
    bob.user_permissions.add(*Permission.objects.filter(codename__in=("add_review", "change_face")))
    assert say(looker, face, "not_a_face").status_code == 302
    User.objects.filter(pk=alice.pk).update(is_superuser=True, is_staff=True)
    assert say(looker, face, "White").status_code == 403
    assert looker.post(reverse(NONE), {"face": [face.pk]}).status_code == 403
    assert not Face.objects.exclude(retired_at=None).exists()


def test_a_draw_tells_its_width_its_reviewers_and_how_they_agree(adam_client, alice, bob, pictured):
    draw = drawing.begin_draw(pictured, creator=alice, attribute="race", size=8, seed=1)
    CollectionShare.objects.create(collection=pictured, user=bob, role=CollectionShare.Role.REVIEW)
    told = Answer(answers={"race": "White", "gender": "Female", "age": "30-39"})
    for row in draw.drawn_faces.select_related("face"):
        for reviewer in (alice, bob):
            answering.answer_face(draw, face=row.face, reviewer=reviewer, answer=told)
    page = adam_client.get(reverse("admin:classifier_draw_change", args=[draw.pk])).content.decode()
    assert "8 of 8 faces are answered, by 2 reviewers" in page
    assert re.search(r"Krippendorff.*bob|bob.*Krippendorff", page, re.S)
    listed = reverse("admin:classifier_review_changelist")
    assert f"{listed}?draw__id__exact={draw.pk}" in page
    for query, count in (
        ({"draw__id__exact": draw.pk}, 16),
        ({"said_race": "Black"}, 0),
        ({"said_race": "White", "collection": pictured.pk}, 16),
    ):
        assert f"{count} review" in adam_client.get(listed, query).content.decode()
