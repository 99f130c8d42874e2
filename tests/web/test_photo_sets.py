"""The photos that somebody goes through: the gallery's filters and order, kept on the pages of its photos."""

from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from classifier.models import Collection, Face, Photo
from classifier.services import matches, paging
from classifier.templatetags import gallery as tags
from tests import factories
from webapp import settings


@pytest.fixture
def three(collection):
    """Three photos with one, two and three faces; a face of the second and of the third is Black."""
    photos = [factories.make_photo(collection, name=f"img{number}.jpg") for number in (1, 2, 3)]
    for count, photo in enumerate(photos, start=1):
        for number in range(1, count + 1):
            factories.make_face(photo, number=number, race="Black" if number == 2 else "White")
        photo.face_count = count
        photo.save()
    return photos


def open_photo(client, photo, **words):
    return client.get(reverse("photo-detail", args=[photo.uid]), words)


def test_neighbours_follow_the_order_one_came_in(alice_client, three):
    one, two, three_faces = three
    for sort, before, after in [
        ("newest", three_faces, one),
        ("oldest", one, three_faces),
        ("faces", three_faces, one),
    ]:
        context = open_photo(alice_client, two, sort=sort).context
        assert (context["before"], context["after"]) == (before, after)


def test_a_photo_tells_its_place_among_those_that_fit(alice_client, three):
    one, two, last = three
    page = open_photo(alice_client, two, group="Black")
    assert "<strong>2</strong> of 2" in page.text
    assert page.context["after"] is None
    assert f'{reverse("photo-detail", args=[last.uid])}?group=Black"' in page.text
    assert "not among the 2" in open_photo(alice_client, one, group="Black").text


def test_the_way_back_leads_to_the_page_where_the_photo_is(alice_client, collection):
    photos = [factories.make_photo(collection) for _ in range(paging.PAGE_SIZE + 5)]
    oldest = photos[0]
    address = unescape(open_photo(alice_client, oldest).text.partition('id="way-back" href="')[2].partition('"')[0])
    page = alice_client.get(address.partition("#")[0]).context["page"]
    assert oldest in page.rows
    assert len(page.rows) == 5
    assert page.previous


def test_what_follows_a_deletion_is_the_next_of_the_set(alice_client, three):
    one, two, last = three
    address = reverse("photo-delete", args=[last.uid]) + "?group=Black"
    response = alice_client.post(address)
    assert response.url == reverse("photo-detail", args=[two.uid]) + "?group=Black"
    response = alice_client.post(response.url.replace("?", "delete/?"))
    assert response.url == reverse("collection-detail", args=[one.collection.uid]) + "?group=Black"


def test_a_filtered_gallery_counts_photos_and_such_faces(alice_client, three):
    address = reverse("collection-detail", args=[three[0].collection.uid])
    page = alice_client.get(address, {"group": "Black", "sort": "oldest"})
    assert page.context["matches"] == matches.Matches(photos=2, faces=2)
    assert 'aria-label="Take away: Perceived group, Black"' in page.text
    assert 'href="?sort=oldest#filter"' in page.text
    assert page.text.count('class="face is-other"') == 3
    assert page.text.count('class="face"') == 2
    assert alice_client.get(address).context["matches"] is None


def test_a_large_collection_is_counted_when_its_page_is_there(alice_client, three, monkeypatch):
    monkeypatch.setattr(matches, "LARGE_PHOTOS", 2)
    address = reverse("collection-detail", args=[three[0].collection.uid])
    page = alice_client.get(address, {"group": "Black"})
    assert page.context["matches"] is None
    asked = unescape(page.text.partition('role="status" hx-get="')[2].partition('"')[0])

    def count() -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            told = alice_client.get(address + asked, headers={"HX-Request": "true"}).text
        return " ".join(told.split()), sum("COUNT" in query["sql"] for query in queries)

    assert count() == ("<strong>2</strong> photos with <strong>2</strong> such faces", 1)
    assert count() == ("<strong>2</strong> photos with <strong>2</strong> such faces", 0)  # nothing has changed
    factories.make_face(factories.make_photo(three[0].collection), race="Black")
    Collection.objects.filter(pk=three[0].collection_id).note_answers()
    assert count() == ("<strong>3</strong> photos with <strong>3</strong> such faces", 1)


def test_htmx_gets_the_photos_that_a_reload_shows(alice_client, collection, django_assert_max_num_queries):
    for _ in range(paging.PAGE_SIZE + 2):
        factories.make_photo(collection)
    address = reverse("collection-detail", args=[collection.uid])
    whole = alice_client.get(address).context["page"].rows
    with django_assert_max_num_queries(8):
        part = alice_client.get(address, headers={"HX-Request": "true"})
    assert part.context["page"].rows == whole
    assert 'rel="next"' in part.text
    assert "<html" not in part.text


def test_a_photo_page_asks_a_fixed_number_of_questions(alice_client, three, django_assert_max_num_queries):
    with django_assert_max_num_queries(18):
        open_photo(alice_client, three[1], group="Black", sort="faces")


def test_every_step_of_a_ratio_has_its_rule():
    rules = (settings.BASE_DIR / "static/css/ratios.css").read_text()
    for step, ratio in enumerate(tags.RATIOS):
        assert f".ratio-{step} {{ --ratio: {ratio:g}; }}" in rules


QUERIES = (
    "group=White",
    "group=Black&gender=Male",
    "group=White&gender=Female&age=30-39",
    "group=White&sure=sure",
    "group=Black&state=done",
    "sure=sure",
    "sure=unsure",
    "sure=unsure-group",
    "sure=sure&state=done",
    "taxonomy=utkface-4&group=White&sure=sure",
)


@pytest.mark.parametrize("elsewhere", [0, 6])
def test_a_count_is_that_of_the_faces_themselves(alice, alice_client, collection, monkeypatch, elsewhere):
    """Also where another collection has more of every label, and of faces that are counted no more."""
    monkeypatch.setattr("classifier.filters.FEW", 0)
    other = factories.CollectionFactory(owner=alice)
    for place in (collection, *[other] * elsewhere):
        for number in range(4):
            photo = factories.make_photo(place)
            for race, gender, probability in (("White", "Female", 0.9), ("Black", "Male", 0.9), ("White", "Male", 0.3)):
                count = photo.faces.count() + 1
                if number % count == 0:
                    factories.make_face(photo, number=count, race=race, gender=gender, probability=probability)
            Photo.objects.filter(pk=photo.pk).update(face_count=photo.faces.count())
    Face.objects.filter(photo=collection.photos.first(), number=1).update(retired_at=timezone.now())
    Photo.objects.filter(pk=collection.photos.last().pk).update(deleting_at=timezone.now())
    address = reverse("collection-detail", args=[collection.uid])
    for query in QUERIES:
        page = alice_client.get(f"{address}?{query}")
        rows = page.context["page"].rows
        told = page.context["matches"]
        assert (told.photos, told.faces) == (len(rows), sum(len(photo.matching) for photo in rows)), query
        assert told.photos or query.startswith("sure=unsure") or "age" in query, query


def test_what_a_tile_is_unsure_of_comes_last_and_no_comma_waits_for_it(alice_client, collection):
    face = factories.make_face(factories.make_photo(collection), race="White", gender="Female")
    face.guesses.filter(attribute="race").update(unsure=True)
    prediction = face.prediction
    prediction.vectors["race"] = factories.even("race", top="White", probability=0.3)
    prediction.save()
    page = " ".join(alice_client.get(reverse("collection-detail", args=[collection.uid])).text.split())
    told = 'Female, 30-39<span class="hidden">, </span> <span class="unsure">unsure of the group</span>'
    assert told in page


def test_a_list_that_always_has_a_value_is_not_called_optional(alice_client, collection):
    page = alice_client.get(reverse("collection-edit", args=[collection.uid])).text
    label = page.partition('<label for="id_detail">')[2].partition("</label>")[0]
    assert "Search for faces" in label
    assert "optional" not in label
    assert "optional" in page.partition('<label for="id_retention_days">')[2].partition("</label>")[0]
