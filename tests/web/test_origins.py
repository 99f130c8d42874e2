"""Folders, dates and tags as people meet them: asked for, sent, shown, filtered by."""

from datetime import date
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from classifier.models import Collection, Photo, UploadItem
from classifier.services import deletion, tags
from tests import factories, pictures

TABLE = b"file,news paper\na.jpg,Post\nb.jpg,Post\nc.jpg,News\nnobody.jpg,News\n"


@pytest.fixture
def archive(alice):
    """Four photos of two years, of which three are tagged."""
    collection = factories.CollectionFactory(owner=alice, keeps_capture_dates=True, has_origins=True)
    places = [("1999/May", "a.jpg", 2), ("1999/June", "b.jpg", 3), ("2000", "c.jpg", 4), ("", "d.jpg", None)]
    for folder, name, day in places:
        taken = day and date(1999, 5, day)
        factories.make_face(factories.make_photo(collection, folder=folder, name=name, captured_on=taken))
    tags.store_table(collection, content=TABLE)
    collection.refresh_from_db()
    return collection


def send_table(client, collection, content):
    file = SimpleUploadedFile("tags.csv", content, "text/csv")
    return client.post(reverse("tag-list", args=[collection.uid]), {"table": file})


def test_dates_are_kept_only_where_that_was_ticked_when_the_collection_was_made(alice, alice_client):
    page = alice_client.get(reverse("collection-create")).content.decode()
    box = page.partition('name="keeps_capture_dates"')[2].partition(">")[0]
    assert "checked" not in box
    form = {"name": "Dated", "purpose": "months", "attributes": ["age"], "taxonomy": "fairface-7", "declaration": "on"}
    for more, wanted in (({}, False), ({"keeps_capture_dates": "on"}, True)):
        alice_client.post(reverse("collection-create"), form | more)
        assert Collection.objects.latest("created_at").keeps_capture_dates == wanted
    made = Collection.objects.latest("created_at")
    edit = reverse("collection-edit", args=[made.uid])
    assert "keeps_capture_dates" not in alice_client.get(edit).content.decode()
    alice_client.post(edit, form)
    made.refresh_from_db()
    assert made.keeps_capture_dates


def test_the_folder_of_each_photo_comes_in_with_it(alice_client, collection):
    files = [SimpleUploadedFile(f"{n}.jpg", pictures.jpeg(seed=n)) for n in range(2)]
    address = reverse("photo-upload", args=[collection.uid])
    alice_client.post(address, {"images": files, "folder": ["1999/May", ""]})
    assert dict(Photo.objects.values_list("name", "folder")) == {"0.jpg": "1999/May", "1.jpg": ""}
    files = [SimpleUploadedFile("2.jpg", pictures.jpeg(seed=2))]
    refused = alice_client.post(address, {"images": files, "folder": ["a", "b"]}, headers={"HX-Request": "true"})
    assert (refused.status_code, refused["X-Code"]) == (400, "folders_do_not_match")


def test_files_that_are_refused_are_told_with_their_folders_until_their_photos_go(alice_client, collection):
    files = [SimpleUploadedFile(f"{n}.jpg", pictures.jpeg()) for n in range(2)] + [SimpleUploadedFile("2.jpg", b"?")]
    form = {"images": files, "folder": ["1999/May", "2000", "1999/<June>"]}
    told = alice_client.post(reverse("photo-upload", args=[collection.uid]), form, follow=True).content.decode()
    for folder, name in (("1999/&lt;June&gt;", "2.jpg"), ("2000", "1.jpg"), ("1999/May", "0.jpg")):
        assert f"{folder}/</span>{name}</b>" in told
    deletion.delete_photos(Photo.objects.all())
    assert list(UploadItem.objects.values_list("name", "folder")) == [("", ""), ("", ""), ("2.jpg", "1999/<June>")]


def test_a_photo_tells_where_it_came_from(alice_client, archive, django_assert_max_num_queries):
    photo = archive.photos.get(name="a.jpg")
    with django_assert_max_num_queries(18):
        page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    for words in ("1999/May", "2 May 1999", "<dt>news paper</dt><dd>Post</dd>"):
        assert words in page
    gallery = alice_client.get(reverse("collection-detail", args=[archive.uid])).content.decode()
    assert 'title="1999/May/a.jpg"' in gallery


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"folder": "1999"}, "ab"),
        ({"folder": "1999/May"}, "a"),
        ({"folder": "19"}, ""),
        ({"tag:news paper": "Post"}, "ab"),
        ({"tag:news paper": "Nobody"}, ""),
        ({"taken_from": "1999-05-03"}, "bc"),
        ({"taken_from": "1999-05-03", "taken_to": "1999-05-03"}, "b"),
        ({"folder": "1999", "tag:news paper": "Post", "taken_to": "1999-05-02"}, "a"),
    ],
)
@pytest.mark.parametrize("few", [0, 1000], ids=["many", "few"])
def test_the_gallery_is_filtered_by_folder_day_and_tag(alice_client, archive, monkeypatch, asked, names, few):
    monkeypatch.setattr("classifier.filters.FEW", few)
    page = alice_client.get(f"{reverse('collection-detail', args=[archive.uid])}?{urlencode(asked)}&sort=name")
    assert [row.name for row in page.context["page"].rows] == [f"{name}.jpg" for name in names]


def test_the_form_offers_what_is_there_and_what_is_asked_for(alice_client, archive, collection):
    page = alice_client.get(f"{reverse('collection-detail', args=[archive.uid])}?folder=gone").content.decode()
    for folder in ("1999", "1999/June", "1999/May", "2000"):
        assert f'<option value="{folder}">' in page
    assert '<option value="gone" selected>' in page
    assert '<option value="Post">' in page
    plain = alice_client.get(reverse("collection-detail", args=[collection.uid])).content.decode()
    for name in ("folder", "taken_from", "tag:"):
        assert f'name="{name}' not in plain


def test_origins_cost_a_gallery_two_queries(alice_client, archive, django_assert_num_queries):
    with django_assert_num_queries(17):
        alice_client.get(reverse("collection-detail", args=[archive.uid]))


def test_a_table_is_sent_and_what_became_of_it_is_told(alice_client, archive):
    page = send_table(alice_client, archive, b"file,by\na.jpg,Ann\nx.jpg,Bo\na.jpg,Cy\nb.jpg\n").content.decode()
    for words in (
        "0 photos tagged from 4 lines",
        "No photo of this name: 1 line",
        "line 3</span><span><b>x.jpg</b>",
        "A second value for a photo: 1 line",
        "line 4</span><span><b>a.jpg</b>: by: “Ann” and “Cy”",
        "line 5</span><span><b>b.jpg</b>: 1 of 2 cells",
    ):
        assert words in page
    assert "news paper" in page
    for content, words in ((b"", "This file is empty."), (b"file\na.jpg", "has one column")):
        assert words in send_table(alice_client, archive, content).content.decode()
    assert "No table was chosen." in alice_client.post(reverse("tag-list", args=[archive.uid])).content.decode()


def test_a_column_is_removed(alice_client, archive):
    column = archive.tag_columns.get(name="news paper")
    alice_client.post(reverse("tag-remove", args=[column.uid]))
    assert not archive.tag_columns.filter(name="news paper").exists()


@pytest.mark.parametrize(
    ("by", "parts"),
    [
        ("folder", {"", "1999/May", "1999/June", "2000"}),
        ("month", {"", "1999-05"}),
        ("tag:news paper", {"", "Post", "News"}),
    ],
)
def test_a_report_is_told_apart_by_them(alice_client, archive, by, parts):
    address = reverse("collection-report-export", args=[archive.uid])
    told = alice_client.get(f"{address}?{urlencode({'by': by, 'format': 'json', 'narrowest': 1})}").json()
    assert {group["value"] for group in told["groups"]} == parts
    narrowed = alice_client.get(f"{address}?{urlencode({'folder': '1999', 'format': 'json', 'narrowest': 1})}").json()
    assert narrowed["faces"] == 2
