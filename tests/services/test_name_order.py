"""Names sort as people count, by a key that every database compares alike."""

import random

import pytest
from django.urls import reverse

from classifier.models import Photo
from classifier.models.sorting import KEY_BYTES, name_key
from classifier.services.paging import read_page
from tests import factories

# Each line in the order in which people expect these names.
ORDERS = [
    ["img1.jpg", "img2.jpg", "img10.jpg", "img10a.jpg", "img100.jpg", "imgs.jpg"],
    ["2 cats.jpg", "10 cats.jpg", "Cats.jpg", "cats 2.jpg", "Dogs.jpg"],
    ["img.jpg", "img 2.jpg", "img 10.jpg", "img-1.jpg"],
    ["a.jpg", "ä.jpg", "b.jpg"],
    ["1999-2-1.jpg", "1999-10-1.jpg", "2000-1-1.jpg"],
    ["x٢.jpg", "x10.jpg", "x۱۲.jpg"],
    ["v1.2.9.jpg", "v1.2.10.jpg", "v1.10.jpg"],
]


@pytest.mark.parametrize("names", ORDERS)
def test_names_sort_as_people_count(names):
    assert sorted(random.Random(4).sample(names, len(names)), key=name_key) == names


@pytest.mark.parametrize(("one", "other"), [("IMG_1.JPG", "img_1.jpg"), ("img01.jpg", "img1.jpg"), ("é.jpg", "é.jpg")])
def test_what_people_take_for_the_same_has_the_same_place(one, other):
    assert name_key(one) == name_key(other)


def test_a_key_fits_into_an_index():
    assert len(name_key("漢" * 255)) == KEY_BYTES
    assert name_key("9" * 255) > name_key("9" * 254)
    assert name_key("") == b""


@pytest.mark.django_db
def test_the_gallery_and_its_pages_keep_this_order(alice_client, collection):
    wanted = ["a2.jpg", "a10.jpg", "B1.jpg", "b2.jpg", "b10.jpg"]
    for name in ["b10.jpg", "a10.jpg", "b2.jpg", "a2.jpg", "B1.jpg"]:
        factories.make_photo(collection, name=name)
    page = alice_client.get(reverse("collection-detail", args=[collection.uid]), {"sort": "name"}).context["page"]
    assert [photo.name for photo in page.rows] == wanted
    seen, cursor = [], ""
    while True:
        step = read_page(collection.photos.all(), order="name_key", cursor=cursor, size=2)
        seen += [photo.name for photo in step.rows]
        if not (cursor := step.next):
            break
    assert seen == wanted


@pytest.mark.django_db
def test_rows_that_come_at_once_have_their_keys_too(collection):
    photo = factories.make_photo(collection, name="a.jpg")
    photo.pk, photo.uid, photo.sha256, photo.name = None, "0a9d4f7e-5f0c-4f0e-9d3e-6f1f4f9f2a11", "0", "b7.jpg"
    Photo.objects.bulk_create([photo])
    assert bytes(Photo.objects.get(name="b7.jpg").name_key) == name_key("b7.jpg")
