"""Folders, days and tags by the API."""

from datetime import date

from django.core.files.uploadedfile import SimpleUploadedFile

from classifier.models import Photo
from classifier.services import tags
from tests import factories
from tests.api.test_access import error_of


def table(content: bytes) -> dict:
    return {"table": SimpleUploadedFile("tags.csv", content, "text/csv")}


def address(collection) -> str:
    return f"/api/v1/collections/{collection.uid}/tags/"


def test_a_table_is_sent_and_told_and_its_column_removed(api, collection):
    photo = factories.make_photo(collection, name="a.jpg", folder="May", captured_on=date(1999, 5, 2))
    told = api.post(address(collection), table(b"file,by\na.jpg,Ann\nx.jpg,Bo\n"), format="multipart").json()
    assert (told["photos"], told["rows"], told["columns"]) == (1, 2, {"by": 1})
    assert told["unknown"] == {"count": 1, "first": [{"line": 3, "file": "x.jpg", "message": ""}]}
    described = api.get(f"/api/v1/photos/{photo.uid}/").json()
    assert (described["folder"], described["captured_on"]) == ("May", "1999-05-02")
    assert described["tags"] == {"by": "Ann"}
    (column,) = api.get(address(collection)).json()["results"]
    assert (column["name"], column["photos"], column["values"]) == ("by", 1, ["Ann"])
    assert api.delete(f"/api/v1/tags/{column['uid']}/").status_code == 204
    assert api.get(f"/api/v1/photos/{photo.uid}/").json()["tags"] == {}


def test_only_the_owner_with_the_scope_sends_tables(api, reader, stranger, collection):
    assert reader.post(address(collection), table(b"file,by\n"), format="multipart").status_code == 403
    assert stranger.post(address(collection), table(b"file,by\n"), format="multipart").status_code == 404
    for sent, words in (({}, "field “table”"), (table(b"file"), "one column")):
        refused = api.post(address(collection), sent, format="multipart")
        assert refused.status_code == 400
        assert words in error_of(refused)["message"]


def test_photos_are_listed_by_folder_and_day(api, send, collection):
    send(1, 2, collection=str(collection.uid), folder="May")
    assert set(Photo.objects.values_list("folder", flat=True)) == {"May"}
    assert error_of(send(1, 2, 3, folder=["a", "b"]))["code"] == "folders_do_not_match"
    Photo.objects.filter(name="photo1.jpg").update(captured_on=date(1999, 5, 2), folder="June")
    for asked, names in (
        ("folder=June", {"photo1.jpg"}),
        ("folder=July", set()),
        ("captured_after=1999-05-02", {"photo1.jpg"}),
        ("captured_before=1999-05-01", set()),
    ):
        assert {row["name"] for row in api.get(f"/api/v1/photos/?{asked}").json()["results"]} == names


def test_tags_of_many_photos_are_one_query_more(api, collection, django_assert_num_queries):
    for n in range(3):
        factories.make_photo(collection, name=f"{n}.jpg")
    tags.store_table(collection, content=b"file,by\n" + b"".join(b"%d.jpg,Ann\n" % n for n in range(3)))
    with django_assert_num_queries(2):
        told = list(Photo.objects.filter(collection=collection).with_tags())
        assert [tag.column.name for photo in told for tag in photo.tags.all()] == ["by"] * 3
