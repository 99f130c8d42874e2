"""Large tables of tags and labels keep nobody from the database: it is held to write them, not to match them."""

import pytest
from django.db import connection

from classifier.models import Collection, PhotoTag, Review, TagColumn
from classifier.services import collections, deletion, tags
from classifier.services.reviews import importing, label_matching
from classifier.services.reviews.label_rows import BadFile
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

LABELS = b"file,reviewed_race,reviewed_gender\n0.jpg,Black,Male\n1.jpg,White,Female\n2.jpg,Indian,Male\n"
TAGS = b"file,desk,by\n0.jpg,front,Ann\n1.jpg,sport,Bo\n2.jpg,front,\n"


@pytest.fixture
def three(collection) -> Collection:
    for number in range(3):
        factories.make_face(factories.make_photo(collection, name=f"{number}.jpg"))
    return collection


@pytest.fixture
def meanwhile(monkeypatch):
    """Have something done when labels are matched, and before they are stored."""
    usual = label_matching.match_faces

    def arrange(act):
        def match(*args, **kwargs):
            assert not connection.in_atomic_block
            found = usual(*args, **kwargs)
            act()
            return found

        monkeypatch.setattr(label_matching, "match_faces", match)

    return arrange


def import_labels(collection: Collection, **how) -> importing.Matched:
    return importing.import_labels(collection, content=LABELS, actor=collection.owner, source="reference", **how)


def test_labels_are_matched_while_others_may_write(three, meanwhile):
    meanwhile(lambda: None)
    assert import_labels(three).new == 3


def test_a_face_that_goes_while_labels_are_matched_is_one_that_is_not_there(three, meanwhile):
    gone = three.photos.get(name="1.jpg")
    meanwhile(lambda: deletion.delete_photos(three.photos.filter(pk=gone.pk)))
    with pytest.raises(BadFile) as refused:
        import_labels(three)
    assert refused.value.details["lines"] == ["line 3: there is no such face in this collection"]
    assert not Review.objects.exists()
    meanwhile(lambda: None)
    told = import_labels(three, leaves_out_unknown=True)
    assert (told.new, told.left_out) == (2, 1)


def test_a_face_that_goes_meanwhile_is_left_out_where_that_is_asked(three, meanwhile):
    meanwhile(lambda: deletion.delete_photos(three.photos.filter(name="1.jpg")))
    told = import_labels(three, leaves_out_unknown=True)
    assert (told.new, told.left_out, told.lines) == (2, 1, ("line 3: there is no such face in this collection",))


def test_an_attribute_that_is_switched_off_meanwhile_is_not_stored(three, meanwhile):
    meanwhile(lambda: collections.change_collection(three, actor=three.owner, attributes=["gender", "age"]))
    import_labels(three)
    assert [review.answers.keys() for review in Review.objects.all()] == [{"gender"}] * 3


def test_tags_are_matched_and_stored_while_others_may_write(three, monkeypatch):
    monkeypatch.setattr(tags, "TAGS_AT_ONCE", 1)
    free = []
    usual = tags._match

    def match(*args, **kwargs):
        free.append(not connection.in_atomic_block)
        return usual(*args, **kwargs)

    monkeypatch.setattr(tags, "_match", match)
    monkeypatch.setattr(tags, "sleep", lambda _: free.append(not connection.in_atomic_block))
    told = tags.store_table(three, content=TAGS)
    assert (told.columns, told.photos) == ({"desk": 3, "by": 2}, 3)
    assert PhotoTag.objects.count() == 5
    assert three.tag_columns.get(name="desk").values == ["front", "sport"]
    assert set(free) == {True}
    assert len(free) == 6 if connection.vendor == "sqlite" else 1


def test_photos_and_columns_that_go_between_two_batches_are_not_brought_back(three, monkeypatch):
    monkeypatch.setattr(tags, "TAGS_AT_ONCE", 1)
    usual = tags._store_batch

    def store(column, of_photos, **how):
        stored = usual(column, of_photos, **how)
        if column.name == "desk":
            deletion.delete_photos(three.photos.filter(name="1.jpg"))
            tags.remove_column(three.tag_columns.get(name="by"))
            monkeypatch.setattr(tags, "_store_batch", usual)
        return stored

    monkeypatch.setattr(tags, "_store_batch", store)
    told = tags.store_table(three, content=TAGS)
    assert (told.columns, told.photos) == ({"desk": 2, "by": 0}, 2)
    assert sorted(PhotoTag.objects.values_list("photo__name", "value")) == [("0.jpg", "front"), ("2.jpg", "front")]
    assert list(TagColumn.objects.values_list("name", flat=True)) == ["desk"]
