"""The gallery of one collection: filters, order, paging, and its number of queries."""

from functools import partial

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier.filters import PhotoFilter
from classifier.models import State
from classifier.services import paging
from tests import factories


def names(response) -> list[str]:
    return [photo.name for photo in response.context["page"].rows]


@pytest.fixture
def people(collection):
    """Three photos of different people, one of them two on one photo."""
    one = factories.make_photo(collection, name="one.jpg")
    factories.make_face(one, race="East Asian", gender="Female", age="20-29")
    two = factories.make_photo(collection, name="two.jpg")
    factories.make_face(two, number=1, race="White", gender="Male", age="60-69")
    factories.make_face(two, number=2, race="Black", gender="Female", age="3-9", size_px=24.0)
    three = factories.make_photo(collection, name="three.jpg")
    factories.make_face(three, race="Southeast Asian", gender="Male", age="20-29", probability=0.35)
    return collection


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"group": "East Asian"}, {"one.jpg"}),
        ({"group": "Asian", "taxonomy": "utkface-4"}, {"one.jpg", "three.jpg"}),
        ({"gender": "Female"}, {"one.jpg", "two.jpg"}),
        ({"age": "20-29"}, {"one.jpg", "three.jpg"}),
        ({"size": "small"}, {"two.jpg"}),
        ({"sure": "sure"}, {"one.jpg", "two.jpg"}),
        ({"sure": "unsure"}, {"three.jpg"}),
        ({"sure": "unsure-group"}, {"three.jpg"}),
        ({"sure": "unsure-gender"}, {"three.jpg"}),
        ({"sure": "unsure-age"}, {"three.jpg"}),
        ({"group": "nobody"}, {"one.jpg", "two.jpg", "three.jpg"}),
    ],
)
def test_a_filter_keeps_photos_with_such_a_face(alice_client, people, query, found):
    response = alice_client.get(reverse("collection-detail", args=[people.uid]), query)
    assert set(names(response)) == found


def test_filters_hold_together_for_one_face(alice_client, people):
    address = reverse("collection-detail", args=[people.uid])
    assert names(alice_client.get(address, {"group": "White", "gender": "Female"})) == []
    assert names(alice_client.get(address, {"group": "Black", "gender": "Female"})) == ["two.jpg"]


def test_retired_faces_are_not_found(alice_client, people):
    people.photos.get(name="one.jpg").faces.update(retired_at=timezone.now())
    response = alice_client.get(reverse("collection-detail", args=[people.uid]), {"group": "East Asian"})
    assert names(response) == []
    assert "No photo here fits these filters." in response.content.decode()


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("pending", {"waiting.jpg", "running.jpg"}),
        ("done", {"team.jpg", "landscape.jpg"}),
        ("no_face", {"landscape.jpg"}),
        ("failed", {"broken.jpg"}),
    ],
)
def test_photos_are_filtered_by_state(alice_client, gallery, state, found):
    response = alice_client.get(reverse("collection-detail", args=[gallery.uid]), {"state": state})
    assert set(names(response)) == found


def test_every_state_has_its_form_and_its_word(alice_client, gallery):
    page = alice_client.get(reverse("collection-detail", args=[gallery.uid])).content.decode()
    for form in ("queued", "running", "done", "no_face", "failed"):
        assert f"state state-{form}" in page
    for word in ("queued", "running", "2 faces", "no face", "failed: the analysis took too long"):
        assert word in page


def test_filters_of_attributes_that_are_off_are_not_offered(alice, alice_client):
    collection = factories.CollectionFactory(owner=alice, attributes=["age"])
    factories.make_photo(collection)
    response = alice_client.get(reverse("collection-detail", args=[collection.uid]), {"group": "White"})
    assert list(response.context["filter"].filters) == ["state", "age", "sure", "size"]
    assert len(names(response)) == 1


def test_photos_are_sorted(alice_client, people):
    address = reverse("collection-detail", args=[people.uid])
    assert names(alice_client.get(address)) == ["three.jpg", "two.jpg", "one.jpg"]
    assert names(alice_client.get(address, {"sort": "oldest"})) == ["one.jpg", "two.jpg", "three.jpg"]
    assert names(alice_client.get(address, {"sort": "faces"}))[0] == "two.jpg"
    assert names(alice_client.get(address, {"sort": "name"})) == ["one.jpg", "three.jpg", "two.jpg"]
    assert len(names(alice_client.get(address, {"sort": "nonsense"}))) == 3


@pytest.mark.parametrize("sort", ["newest", "oldest", "faces", "name"])
def test_paging_shows_every_photo_once_and_finds_back(alice_client, collection, monkeypatch, sort):
    monkeypatch.setattr(paging, "read_page", partial(paging.read_page, size=3))
    made = {factories.make_photo(collection, name=f"{n % 2}.jpg", face_count=n % 3).pk for n in range(8)}
    address = reverse("collection-detail", args=[collection.uid])
    seen, forward, query = [], [], {"sort": sort}
    while True:
        page = alice_client.get(address, query).context["page"]
        forward.append([photo.pk for photo in page.rows])
        seen += forward[-1]
        if not page.next:
            break
        query = {"sort": sort, "page": page.next}
    assert len(seen) == len(set(seen)) == 8
    assert set(seen) == made
    backward = [forward[-1]]
    while page.previous:
        page = alice_client.get(address, {"sort": sort, "page": page.previous}).context["page"]
        backward.append([photo.pk for photo in page.rows])
    assert backward[::-1] == forward


def test_a_cursor_that_no_page_of_this_order_gave_out_shows_the_first_page(alice_client, people, monkeypatch):
    monkeypatch.setattr(paging, "read_page", partial(paging.read_page, size=2))
    address = reverse("collection-detail", args=[people.uid])
    by_name, oldest = (alice_client.get(address, {"sort": sort}).context["page"].next for sort in ("name", "oldest"))
    assert by_name
    assert oldest  # the field of the newest, in the other direction
    for cursor in ("x", "====", "W10", "bnVsbA", "WzAseyJhdCI6Im5vIn0sMV0", by_name, f"{by_name}x", oldest):
        for sort in ("newest", "faces"):
            response = alice_client.get(address, {"sort": sort, "page": cursor})
            assert len(names(response)) == 2
            assert response.context["page"].previous == ""


def test_a_page_needs_the_same_queries_for_many_photos_and_faces(alice_client, people, django_assert_num_queries):
    address = reverse("collection-detail", args=[people.uid])
    with django_assert_num_queries(15):
        alice_client.get(address)
    for number in range(12):
        photo = factories.make_photo(people, state=State.DONE)
        for face in range(1, 4):
            factories.make_face(photo, number=face, race=["White", "Black", "Indian"][number % 3])
    with django_assert_num_queries(15):
        alice_client.get(address)


def test_deleting_selected_photos(alice_client, gallery, media):
    chosen = [str(photo.uid) for photo in gallery.photos.filter(name__in=["team.jpg", "broken.jpg"])]
    address = reverse("photo-delete-selected", args=[gallery.uid])
    response = alice_client.post(address, {"photos": [*chosen, "nonsense"]}, follow=True)
    assert "2 photos were deleted." in response.content.decode()
    assert set(gallery.photos.values_list("name", flat=True)) == {"waiting.jpg", "running.jpg", "landscape.jpg"}


def test_photos_of_others_cannot_be_selected(bob, bob_client, photo):
    own = factories.CollectionFactory(owner=bob)
    bob_client.post(reverse("photo-delete-selected", args=[own.uid]), {"photos": [str(photo.uid)]})
    photo.refresh_from_db()
    assert photo.deleting_at is None


def test_filters_that_are_set_are_told_in_words(people):
    asked = {"group": "Asian", "sure": "unsure-age", "size": "", "age": "no such age", "page": "x"}
    found = PhotoFilter(asked, queryset=people.photos.all(), taxonomy="utkface-5", collection=people)
    assert [(active.label, active.value, active.name) for active in found.list_active()] == [
        ("Perceived group", "Asian", "group"),
        ("Certainty", "unsure of the age", "sure"),
    ]
    assert found.is_about_faces()
    unset = PhotoFilter({}, queryset=people.photos.all(), taxonomy="utkface-5", collection=people)
    assert unset.list_active() == []
    assert not unset.is_about_faces()
    assert unset.find_faces().count() == 4
