"""The pages of review: what they show, what they keep, what they never tell, and what they say of bad input."""

import json
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier.models import Codebook, CollectionShare, Draw, Face, Photo, Review
from classifier.services import collections, deletion
from classifier.services.reviews import drawing, serving, standing
from tests import factories
from tests.conftest import logged_in
from tests.services.reviews.made_up import add_faces

ALL = {"race": "White", "gender": "Female", "age": "30-39"}
MOST_QUERIES = 12  # of the sixty milliseconds that an answer may take


@pytest.fixture
def pictured(collection):
    add_faces(collection, ["White"] * 80 + ["Black"] * 30 + ["Indian"] * 10)
    return collection


@pytest.fixture
def draw(pictured, alice) -> Draw:
    return drawing.begin_draw(pictured, creator=alice, attribute="race", size=20, seed=7)


@pytest.fixture
def carol(pictured):
    carol = factories.UserFactory(username="carol")
    CollectionShare.objects.create(collection=pictured, user=carol, role=CollectionShare.Role.REVIEW)
    return carol


def next_face(draw, user) -> Face:
    return serving.next_faces(draw, reviewer=user)[1][0]


def send(client, draw, face, **values):
    sent = {"face": str(face.uid), "key": str(uuid.uuid4()), "answers": ALL, **values}
    return client.post(reverse("draw-answer", args=[draw.uid]), json.dumps(sent), content_type="application/json")


def press(client, draw, **values):
    return client.post(reverse("draw-review", args=[draw.uid]), values)


def test_neither_page_nor_json_of_a_draw_tells_the_guess_or_a_name(alice_client, draw):
    Photo.objects.update(name="a_black_woman.jpg")
    page = alice_client.get(reverse("draw-review", args=[draw.uid])).content.decode()
    sent = alice_client.get(reverse("draw-faces", args=[draw.uid])).content.decode()
    assert '"uid"' in sent
    for told in (page, sent):
        assert "a_black_woman" not in told
        assert "is-guess" not in told
        assert "probab" not in told
    assert all(face["guess"] is None for face in json.loads(sent)["faces"])


def test_an_answer_takes_few_queries_and_is_one_however_often_it_is_sent(
    alice, alice_client, draw, django_assert_max_num_queries
):
    first, second = next_face(draw, alice), serving.next_faces(draw, reviewer=alice)[1][1]
    assert send(alice_client, draw, first).status_code == 200
    with django_assert_max_num_queries(MOST_QUERIES):
        assert send(alice_client, draw, second, key="the-same").json()["is_new"]
    assert not send(alice_client, draw, second, key="the-same").json()["is_new"]
    with django_assert_max_num_queries(MOST_QUERIES):
        alice_client.get(reverse("draw-faces", args=[draw.uid]))
    assert Review.objects.filter(was_blind=True).count() == 2


def test_the_faces_that_a_page_has_are_not_sent_again(alice_client, draw):
    address = reverse("draw-faces", args=[draw.uid])
    first = [face["uid"] for face in alice_client.get(address, {"count": 3}).json()["faces"]]
    more = [face["uid"] for face in alice_client.get(address, {"count": 3, "not": first}).json()["faces"]]
    assert len(first) == len(more) == 3
    assert not set(first) & set(more)


def test_an_undo_takes_back_the_answer_that_it_names(alice, alice_client, draw):
    first, second = serving.next_faces(draw, reviewer=alice, count=2)[1]
    for face in (first, second):
        send(alice_client, draw, face, comment="one\x00two", seconds="NaN")
    address = reverse("draw-undo", args=[draw.uid])
    sent = {"face": str(first.uid), "key": "\x00u"}
    undone = alice_client.post(address, json.dumps(sent), content_type="application/json").json()
    assert (undone["face"]["uid"], undone["answers"]) == (str(first.uid), ALL)
    assert Review.objects.told().get().face == second
    assert Review.objects.told().get().comment == "onetwo"
    again = alice_client.post(address, json.dumps(sent | {"key": "v"}), content_type="application/json")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "nothing_to_take_back")


def test_without_scripts_three_presses_answer_and_undo_goes_back_step_by_step(alice, alice_client, draw):
    face = next_face(draw, alice)
    page = press(alice_client, draw, face=face.uid, key="k", say="race:Black")
    assert page.context["given"] == {"race": "Black"}
    assert str(page.context["face"]["uid"]) == str(face.uid)
    page = press(alice_client, draw, face=face.uid, key="k", given=["race:Black"], say="gender:Male")
    page = press(alice_client, draw, face=face.uid, key="k", given=["race:Black", "gender:Male"], act="undo")
    assert page.context["given"] == {"race": "Black"}
    done = press(
        alice_client, draw, face=face.uid, key="k", given=["race:Black", "gender:Female"], say="age:cannot_tell"
    )
    assert done.status_code == 302
    assert Review.objects.get().answers == {"race": "Black", "gender": "Female", "age": "cannot_tell"}
    assert press(alice_client, draw, act="undo").status_code == 302
    assert next_face(draw, alice) == face
    assert press(alice_client, draw, face=face.uid, act="not_a_face").status_code == 302
    assert press(alice_client, draw, face=next_face(draw, alice).uid, act="skip").status_code == 302
    assert serving.read_pass(draw, reviewer_uid=alice.uid).skipped == 1


def test_what_cannot_be_kept_is_told_in_a_sentence(alice, alice_client, bob, draw, pictured):
    foreign = factories.make_face(factories.make_photo(factories.CollectionFactory(owner=bob)))
    undrawn = Face.objects.filter(photo__collection=pictured, drawn=None).first()
    gone = next_face(draw, alice)
    deletion.delete_photos(Photo.objects.filter(faces=gone))
    for face in (foreign, undrawn, gone):
        answer = send(alice_client, draw, face)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_drawn")
    face = next_face(draw, alice)
    assert send(alice_client, draw, face, answers={"race": "Martian"}).json()["error"]["code"] == "unknown_label"
    assert send(alice_client, draw, face, answers="White").status_code == 400
    assert send(alice_client, draw, face, answers={"race": "White"}).json()["error"]["code"] == "incomplete"
    send(alice_client, draw, face)
    other = send(alice_client, draw, face, answers={**ALL, "race": "Black"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "answered_meanwhile")
    assert "in another window" in press(alice_client, draw, face=face.uid, act="not_a_face").context["notice"]
    assert Review.objects.get().answers == ALL


def test_an_attribute_that_goes_off_closes_the_draw_or_drops_its_question(alice, alice_client, draw, pictured):
    face = next_face(draw, alice)
    collections.change_collection(pictured, actor=alice, attributes=["race", "gender"])
    kept = send(alice_client, draw, face).json()
    assert "perceived age" in kept["message"]
    collections.change_collection(pictured, actor=alice, attributes=["gender"])
    closed = send(alice_client, draw, face).json()["error"]
    assert (closed["code"], closed["closes"]) == ("draw_ended", True)
    page = alice_client.get(reverse("draw-review", args=[draw.uid]))
    assert "This draw has ended" in page.context["closed"]
    assert alice_client.get(reverse("draw-detail", args=[draw.uid])).status_code == 200


def test_a_reviewer_who_is_dismissed_in_the_middle_gets_404_and_the_answers_stay(alice_client, carol, draw):
    client = logged_in(carol)
    face = next_face(draw, carol)
    assert send(client, draw, face).status_code == 200
    dismissed = alice_client.post(reverse("draw-dismiss", args=[draw.uid]), {"reviewer": "carol"}, follow=True)
    assert "does not review this collection any more" in dismissed.content.decode()
    assert send(client, draw, face).status_code == 404
    assert client.get(reverse("draw-review", args=[draw.uid])).status_code == 404
    assert Review.objects.filter(reviewer=carol).count() == 1
    assert "carol" in alice_client.get(reverse("draw-detail", args=[draw.uid])).content.decode()


def test_the_owner_invites_by_name_and_names_are_not_tried_without_end(alice_client, bob, draw):
    address = reverse("draw-invite", args=[draw.uid])
    assert "Nobody with this name" in alice_client.post(address, {"name": "nobody"}).content.decode()
    assert alice_client.post(address, {"name": bob.email.upper()}).status_code == 302
    assert logged_in(bob).get(reverse("draw-review", args=[draw.uid])).status_code == 200
    for _ in range(20):
        last = alice_client.post(address, {"name": "nobody"})
    assert "many names" in last.content.decode()


def test_the_form_tells_how_many_faces_a_precision_takes(alice_client, collection, django_assert_max_num_queries):
    add_faces(collection, ["White"] * 2500 + ["Black"] * 600 + ["Indian"] * 3, per_photo=5)
    address = reverse("draw-new", args=[collection.uid])
    with django_assert_max_num_queries(20):
        page = alice_client.get(address)
    plan = page.context["plan"]
    sizes = [option["size"] for option in plan["options"]]
    widths = [option["half_width"] for option in plan["options"]]
    assert plan["frame"] == 3103
    assert len(sizes) >= 3
    assert sizes == sorted(sizes)
    assert widths == sorted(widths, reverse=True)
    for size, width in zip(sizes[1:], widths[1:], strict=True):
        assert width <= round(width) + 0.05 or size == 3103  # those of 5, 3 and 2 points
    told = alice_client.post(
        f"{address}?sizes", {"kind": "photos", "attribute": "race"}, headers={"HX-Request": "true"}
    )
    assert "621 photos to draw from" in told.content.decode()


def test_a_draw_begins_with_the_codebook_as_it_was_edited(alice_client, pictured):
    address = reverse("draw-new", args=[pictured.uid])
    sent = {"kind": "faces", "attribute": "gender", "size": "100", "codebook": "Say what you see."}
    answer = alice_client.post(address, sent)
    draw = Draw.objects.get()
    assert answer.url == reverse("draw-detail", args=[draw.uid])
    assert (draw.strata_attribute, draw.size, draw.codebook.text) == ("gender", 100, "Say what you see.")
    assert "Say what you see." in alice_client.get(address).content.decode()
    alice_client.post(address, sent | {"kind": "photos", "size": "other", "other": "7"})
    assert Draw.objects.get(kind="photos").size == 7
    assert "7 photos, for faces that were missed</a>" in alice_client.get(address).content.decode()
    assert Codebook.objects.count() == 1


def test_a_draw_of_what_the_gallery_filters(alice_client, pictured):
    address = reverse("draw-new", args=[pictured.uid])
    sent = {"kind": "faces", "attribute": "gender", "size": "other", "other": "5", "only-group": "Indian"}
    draw_page = alice_client.post(address, sent, follow=True)
    assert Draw.objects.get().frame == 10
    assert "out of</dt><dd>10 faces, perceived group Indian" in draw_page.content.decode()
    assert f'href="{reverse("draw-export", args=[Draw.objects.get().uid])}"' in draw_page.content.decode()
    assert f'href="{reverse("collection-reviews", args=[pictured.uid])}"' in draw_page.content.decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"size": "other", "other": "5000"}, "there are 120 faces to draw from"),
        ({"size": "other", "other": "3"}, "two are drawn of each of 3 groups"),
        ({"size": "other"}, "Say how many"),
        ({"size": "100", "other": "7"}, "You wrote 7 and chose 100"),
        ({"size": "other", "other": "7", "received_from": "2999-01-01"}, "There is no face to draw from"),
        ({"size": "100", "attribute": "shoe"}, "Select a valid choice"),
        ({"size": "100", "received_to": "soon"}, "Enter a valid date"),
        ({"size": "100", "only-group": "Purple"}, "Select a valid choice"),
    ],
)
def test_a_draw_that_cannot_be_is_told_on_its_form(alice_client, pictured, sent, words):
    address = reverse("draw-new", args=[pictured.uid])
    page = alice_client.post(address, {"kind": "faces", "attribute": "race", **sent})
    assert page.status_code == 200
    assert words in page.content.decode()
    assert not Draw.objects.exists()


def test_a_draw_of_a_stratum_of_one_and_of_nothing(alice_client, collection):
    address = reverse("draw-new", args=[collection.uid])
    assert "There is no face to draw from" in alice_client.get(address).content.decode()
    add_faces(collection, ["White"] * 8 + ["Indian"])
    page = alice_client.get(address)
    assert [option["size"] for option in page.context["plan"]["options"]] == [9]
    assert "fewer than the 100" in page.content.decode()
    alice_client.post(address, {"kind": "faces", "attribute": "race", "size": "9"})
    detail = alice_client.get(reverse("draw-detail", args=[Draw.objects.get().uid])).content.decode()
    assert "fewer than 100 faces to draw from" in detail  # no number of answers is promised that cannot be given
    assert "more answers" not in detail
    collections.change_collection(collection, actor=collection.owner, attributes=[])
    assert "Nothing is computed" in alice_client.get(address).content.decode()


def test_enlarging_and_extending_tell_what_cannot_be(alice, alice_client, draw, pictured):
    enlarge, extend = (reverse(f"draw-{name}", args=[draw.uid]) for name in ("enlarge", "extend"))
    assert "cannot be drawn" in alice_client.post(enlarge, {"size": 500}).content.decode()
    assert alice_client.post(enlarge, {"size": 10}).status_code == 302
    assert Photo.objects.count() == 120
    add_faces(pictured, ["Black"] * 4)
    assert "4 faces of photos that came afterwards" in alice_client.get(
        reverse("draw-detail", args=[draw.uid])
    ).content.decode().replace("\n", " ")
    assert alice_client.post(extend, {"size": 3}).status_code == 302
    draw.refresh_from_db()
    assert draw.size == 33


def test_the_page_of_a_draw_tells_results_and_not_the_guesses_of_faces_that_wait(alice, alice_client, carol, draw):
    client = logged_in(carol)
    for _ in range(20):
        send(client, draw, next_face(draw, carol))
    mine = client.get(reverse("draw-detail", args=[draw.uid]))
    section = mine.context["sections"][0]
    assert [row.label for row in section.shares][:2] == ["White", "Black"]
    assert section.accuracy[0].label == "all"
    assert section.mistakes
    send(alice_client, draw, next_face(draw, alice))
    hers = alice_client.get(reverse("draw-detail", args=[draw.uid])).context["sections"][0]
    answered = set(Review.objects.filter(reviewer=alice).values_list("face", flat=True))
    assert {one.face.pk for one in hers.mistakes} <= answered


def test_disagreements_are_settled_by_a_third_person_only(alice, alice_client, bob, carol, draw):
    CollectionShare.objects.create(collection=draw.collection, user=bob, role=CollectionShare.Role.REVIEW)
    face = next_face(draw, alice)
    send(alice_client, draw, face)
    send(logged_in(carol), draw, face, answers={**ALL, "race": "Black"})
    address = reverse("draw-settle", args=[draw.uid])
    assert "No disagreement waits for you" in alice_client.get(address).content.decode()
    third = logged_in(bob)
    page = third.get(address)
    assert page.context["given"] == {"gender": "Female", "age": "30-39"}
    assert "carol" not in page.content.decode()
    sent = {"face": face.uid, "key": "x", "given": ["gender:Female", "age:30-39"], "say": "race:Indian"}
    assert third.post(address, sent).status_code == 302
    settled = Review.objects.get(adjudicates=True)
    assert (settled.reviewer, settled.answers["race"]) == (bob, "Indian")
    assert Review.objects.filter(is_standing=True).count() == 3
    end = third.get(address).content.decode()
    assert "No disagreement waits" in end
    assert "Take the last answer back" in end
    # A slip of the one who has the last word is taken back, and comes again.
    assert third.post(address, {"act": "undo"}).status_code == 302
    assert not Review.objects.told().filter(adjudicates=True).exists()
    assert str(third.get(address).context["face"]["uid"]) == str(face.uid)
    assert "There is no answer of yours" in third.post(address, {"act": "undo", "face": face.uid}).content.decode()
    assert [one.settled for one in standing.list_reviewers(draw)] == [0, 0, 0]
    assert third.post(address, sent | {"key": "y"}).status_code == 302
    assert Review.objects.told().get(adjudicates=True).answers["race"] == "Indian"


def test_a_queue_shows_the_guess_says_that_it_feeds_nothing_and_spares_drawn_faces(alice, alice_client, draw, pictured):
    address = reverse("queue-review", args=[pictured.uid])
    page = alice_client.get(address)
    told = page.content.decode()
    assert "never feed the shares" in told
    assert "is-guess" in told
    assert page.context["counts"]["total"] == 100  # of 120, 20 wait in the draw
    face = Face.objects.get(uid=page.context["face"]["uid"])
    assert alice_client.post(address, {"face": face.uid, "key": "q", "act": "agree"}).status_code == 302
    review = Review.objects.get()
    assert (review.draw, review.was_blind, list(review.answers)) == (None, False, ["race"])
    skipped = alice_client.get(address).context["face"]["uid"]
    after = alice_client.post(address, {"face": skipped, "act": "skip"}, follow=True)
    assert after.context["face"]["uid"] != skipped
    white = alice_client.get(address, {"by": "label", "attribute": "race", "label": "Indian"})
    assert white.context["counts"]["total"] < 11
    assert not alice_client.get(address, {"by": "disagreement"}).context["face"]


def test_a_queue_by_disagreement_has_faces_of_which_others_said_something_else(alice_client, carol, pictured):
    face = Face.objects.filter(guesses__label="Black").first()
    answer = {"face": str(face.uid), "key": "a", "answers": {"race": "Indian"}}
    place = reverse("queue-answer", args=[pictured.uid])
    assert logged_in(carol).post(place, json.dumps(answer), content_type="application/json").status_code == 200
    found = alice_client.get(reverse("queue-faces", args=[pictured.uid]), {"by": "disagreement"}).json()["faces"]
    assert [one["uid"] for one in found] == [str(face.uid)]
    assert found[0]["guess"]["race"]["label"] == "Black"


def test_missed_faces_are_marked_with_a_click_and_counted(alice, alice_client, pictured):
    draw = drawing.begin_photo_draw(pictured, creator=alice, size=5, seed=1)
    address = reverse("draw-review", args=[draw.uid])
    photo = alice_client.get(address).context["photo"]
    assert photo["boxes"]
    page = alice_client.post(address, {"photo": photo["uid"], "key": "p", "point.x": "160", "point.y": "60"})
    assert page.context["marks"] == ["0.5,0.25"]
    assert (
        alice_client.post(address, {"photo": photo["uid"], "key": "p", "mark": "0.5,0.25", "act": "save"}).status_code
        == 302
    )
    told = alice_client.get(reverse("draw-detail", args=[draw.uid])).content.decode()
    assert "About 50" in told
    nowhere = alice_client.post(address, {"photo": photo["uid"]})
    assert "Click on a face that has no box" in nowhere.context["notice"]
    sent = {"photo": str(uuid.uuid4()), "marks": []}
    gone = alice_client.post(reverse("draw-answer", args=[draw.uid]), json.dumps(sent), content_type="application/json")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "not_drawn")
    assert alice_client.post(address, {"act": "undo"}).status_code == 302
    assert alice_client.get(address).context["photo"]["uid"] == photo["uid"]


def test_what_waits_for_me_stands_in_the_bar_and_on_its_page(alice, alice_client, draw, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        page = alice_client.get(reverse("review-home"))
    assert [card.left for card in page.context["waiting"]] == [20]
    assert page.context["waiting_draws"] == 1
    for _ in range(20):
        send(alice_client, draw, next_face(draw, alice))
    page = alice_client.get(reverse("review-home"))
    assert [card.left for card in page.context["done"]] == [0]
    assert page.context["waiting_draws"] == 0
    Photo.objects.filter(faces__drawn__place=1).update(deleting_at=timezone.now() - timedelta(seconds=1))
    assert alice_client.get(reverse("review-home")).context["waiting"] == []


def test_a_face_is_cut_out_of_its_photo_and_stays_private(alice_client, bob_client, photo):
    face = photo.faces.get(number=1)
    answer = alice_client.get(reverse("face-crop", args=[face.uid]))
    assert answer.content[:2] == b"\xff\xd8"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert bob_client.get(reverse("face-crop", args=[face.uid])).status_code == 404
    photo.image.storage.delete(photo.image.name)
    assert alice_client.get(reverse("face-crop", args=[face.uid])).status_code == 404
