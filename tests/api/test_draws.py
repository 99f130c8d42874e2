"""Draws by the API: begun, answered in one's own turn, sent twice, read as results."""

import pytest

from classifier.models import CollectionShare, Review
from classifier.services import collections
from tests.api.conftest import client_of
from tests.services.reviews import made_up

SAID = {"race": "White", "gender": "Female", "age": "cannot_tell"}
MOST_QUERIES = 12


@pytest.fixture
def pictured(collection):
    made_up.add_faces(collection, ["White"] * 80 + ["Black"] * 30)
    return collection


@pytest.fixture
def draw(api, pictured):
    asked = {"collection": str(pictured.uid), "attribute": "race", "size": 12}
    answer = api.post("/api/v1/draws/", asked, format="json")
    assert answer.status_code == 201
    assert answer["Location"].endswith(f"/draws/{answer.json()['uid']}/")
    return f"/api/v1/draws/{answer.json()['uid']}/"


def send(client, draw, face, **more):
    return client.post(f"{draw}answers/", {"of": face, "answers": SAID, **more}, format="json")


def test_a_draw_is_answered_to_its_end_and_tells_its_results(api, draw):
    told = api.get(draw).json()
    assert (told["size"], told["frame"]) == (12, 110)
    assert {row["label"]: row["faces"] for row in told["strata"]} == {"White": 80, "Black": 30}
    while faces := (found := api.get(f"{draw}next/").json())["faces"]:
        assert found["questions"] == ["race", "gender", "age"]
        assert "predictions" not in faces[0]  # the guess is not told before the answer
        assert send(api, draw, faces[0]["uid"]).status_code == 201
    results = api.get(f"{draw}results/").json()
    assert (results["answered"], results["reviewers"], results["agreement"]) == (12, 1, [])
    race = results["attributes"]["race"]
    assert race["answered"] == 12
    assert race["shares"][0] | {"low": 0, "high": 1} == {
        "label": "White",
        "share": 1,
        "low": 0,
        "high": 1,
        "bound": "lower",
    }
    assert results["attributes"]["age"]["shares"][-1]["label"] == "cannot tell"


def test_an_answer_sent_twice_is_kept_once(api, draw):
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    first, again = (send(api, draw, face["uid"], client_key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = send(api, draw, face["uid"], answers={**SAID, "race": "Black"}, client_key="l")
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "answered_meanwhile"
    assert other.json()["error"]["details"] == {"standing": first.json()["uid"]}
    fixed = send(api, draw, face["uid"], answers={**SAID, "race": "Black"}, replaces=first.json()["uid"])
    assert fixed.status_code == 201
    assert Review.objects.count() == 2


def test_an_answer_and_the_next_face_take_few_queries(api, draw, django_assert_max_num_queries):
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    send(api, draw, face["uid"])
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    with django_assert_max_num_queries(MOST_QUERIES):
        assert send(api, draw, face["uid"], client_key="q").status_code == 201
    with django_assert_max_num_queries(MOST_QUERIES):
        api.get(f"{draw}next/")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"answers": {"race": "White"}}, 400, "incomplete"),
        ({"answers": {**SAID, "race": "Martian"}}, 400, "unknown_label"),
        ({"of": "9d1c4c7e-6d52-4a3e-9a53-1f3a1c7d8e21"}, 404, "not_found"),
        ({"verdict": "withdrawn"}, 400, "invalid"),
    ],
)
def test_what_cannot_be_kept_is_told(api, draw, more, status, code):
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    answer = send(api, draw, face["uid"], **more)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_what_cannot_be_drawn_is_told(api, pictured):
    answer = api.post("/api/v1/draws/", {"collection": str(pictured.uid), "size": 500}, format="json")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "too_large")
    assert error["details"] == {"size": 500, "left": 110}


def test_a_draw_is_enlarged_and_extended(api, draw, pictured):
    assert api.post(f"{draw}enlarge/", {"size": 5}, format="json").json()["size"] == 17
    made_up.add_faces(pictured, ["White"] * 20)
    told = api.post(f"{draw}enlarge/", {"size": 4, "later": True}, format="json").json()
    assert (told["size"], told["frame"]) == (21, 130)


def test_a_draw_that_has_ended_says_so(api, draw, pictured, alice):
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    collections.change_collection(pictured, actor=alice, attributes=["gender", "age"])
    answer = send(api, draw, face["uid"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "draw_ended")


def test_photos_are_drawn_marked_and_told(api, pictured):
    asked = {"collection": str(pictured.uid), "kind": "photos", "size": 10}
    draw = f"/api/v1/draws/{api.post('/api/v1/draws/', asked, format='json').json()['uid']}/"
    assert api.get(f"{draw}results/").json() == {"missed": None}
    for marks in ([[0.5, 0.5]], []):
        (photo, *_) = api.get(f"{draw}next/").json()["photos"]
        assert len(photo["boxes"]) == 1
        answer = api.post(f"{draw}answers/", {"of": photo["uid"], "marks": marks}, format="json")
        assert answer.status_code == 201
    assert api.get(f"{draw}results/").json()["missed"]["missed"] == 1


def test_only_those_invited_review_and_reading_tokens_do_not(api, reader, stranger, bob, draw, pictured):
    (face, *_) = api.get(f"{draw}next/").json()["faces"]
    assert send(reader, draw, face["uid"]).status_code == 403
    assert stranger.get(draw).status_code == 404
    share = CollectionShare.objects.create(collection=pictured, user=bob)
    assert stranger.get(draw).status_code == 200
    assert send(stranger, draw, face["uid"]).status_code == 404
    CollectionShare.objects.filter(pk=share.pk).update(role=CollectionShare.Role.REVIEW)
    assert send(stranger, draw, face["uid"]).status_code == 201
    share.delete()  # removed in the middle
    assert client_of(bob).get(f"{draw}next/").status_code == 404
    assert Review.objects.count() == 1


def test_the_faces_that_a_precision_takes_are_told_before_anything_is_drawn(api, stranger, pictured):
    address = f"/api/v1/collections/{pictured.uid}/draw-sizes/"
    told = api.get(address).json()
    assert (told["attribute"], told["faces"]) == ("race", 110)
    widths = [size["half_width"] for size in told["sizes"]]
    assert widths == sorted(widths, reverse=True)
    assert told["sizes"][-1] == {"size": 110, "half_width": 0, "is_all": True}
    assert api.get(f"{address}?attribute=shoes").json()["error"]["code"] == "invalid"
    assert stranger.get(address).status_code == 404


def test_labels_from_elsewhere_come_in_and_are_a_draw_only_on_somebodys_word(api, reader, pictured):
    address = f"/api/v1/collections/{pictured.uid}/labels/"
    sent = {"csv": "\ufefffile;reviewed_race\n0.jpg;White\n1.jpg;Black\n", "source": "reference"}
    assert reader.post(address, sent, format="json").status_code == 403
    plain = api.post(address, sent, format="json")
    brought = {"rows": 2, "faces": 2, "new": 2, "replaced": 0, "left_out": 0, "lines": [], "draw": None}
    assert (plain.status_code, plain.json()) == (201, brought)
    with_more = {**sent, "csv": f"{sent['csv']}x.jpg;White\n", "leaves_out_unknown": True}
    left_out = api.post(address, with_more, format="json").json()
    assert (left_out["rows"], left_out["left_out"]) == (2, 1)
    assert left_out["lines"] == ["line 4: there is no such face in this collection"]
    declared = api.post(address, {**sent, "is_random_draw": True}, format="json").json()
    told = api.get(f"/api/v1/draws/{declared['draw']}/").json()
    assert (told["declared_by"], told["size"], told["allocation"]) == ("alice", 2, "simple")
    more = api.post(f"/api/v1/draws/{declared['draw']}/enlarge/", {"size": 1}, format="json")
    assert (more.status_code, more.json()["error"]["code"]) == (400, "declared")
    wrong = api.post(address, {**sent, "csv": "file,reviewed_race\n0.jpg,Martian\n"}, format="json")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "bad_rows")
    assert wrong.json()["error"]["details"]["lines"] == ["line 2: 'Martian' is no answer about race"]
