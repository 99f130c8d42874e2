"""A table of tags: what fits becomes tags, and every line that does not is told."""

import pytest

from classifier.models import PhotoTag
from classifier.services import tags
from tests import factories

HEAD = "file,newspaper,section\n"


@pytest.fixture
def photos(collection):
    places = [("", "img1.jpg"), ("1999/May", "img1.jpg"), ("1999/May", "img2.jpg"), ("1999/June", "img3.jpg")]
    return [factories.make_photo(collection, folder=folder, name=name) for folder, name in places]


def store(collection, text: str | bytes) -> tags.Told:
    return tags.store_table(collection, content=text if isinstance(text, bytes) else text.encode())


def kept(collection) -> dict[tuple[str, str], str]:
    rows = PhotoTag.objects.filter(column__collection=collection)
    return {(tag.photo.path, tag.column.name): tag.value for tag in rows.select_related("photo", "column")}


def lines(found: tags.Lines) -> list[tuple[int, str]]:
    return [(line.number, line.file) for line in found.first]


def test_what_fits_is_kept_and_every_other_line_is_told(collection, photos):
    before = collection.revision
    table = HEAD + "img2.jpg,Post,politics\nMay/img1.jpg,Post,\nnobody.jpg,Post,x\nimg3.jpg,News\n\nimg1.jpg,News,\n"
    told = store(collection, table)
    assert kept(collection) == {
        ("1999/May/img2.jpg", "newspaper"): "Post",
        ("1999/May/img2.jpg", "section"): "politics",
        ("1999/May/img1.jpg", "newspaper"): "Post",
        ("img1.jpg", "newspaper"): "News",
    }
    assert (told.rows, told.photos, told.columns) == (5, 3, {"newspaper": 3, "section": 1})
    assert lines(told.unknown) == [(4, "nobody.jpg")]
    assert lines(told.torn) == [(5, "img3.jpg")]
    assert told.several.count == told.conflicts.count == 0
    collection.refresh_from_db()
    assert collection.revision > before
    assert collection.has_origins


def test_a_name_in_several_folders_is_not_guessed(collection):
    for folder in ("a", "b"):
        factories.make_photo(collection, folder=folder, name="x.jpg")
    told = store(collection, "file,by\nx.jpg,Ann\nb/x.jpg,Bo\n")
    assert lines(told.several) == [(2, "x.jpg")]
    assert told.several.first[0].words == "in 2 folders: a, b"
    assert kept(collection) == {("b/x.jpg", "by"): "Bo"}


def test_of_two_values_for_a_photo_neither_is_taken(collection, photos):
    store(collection, "file,by\nimg2.jpg,Ann\n")
    told = store(collection, "file,by\nimg2.jpg,Bo\nimg3.jpg,Cy\n1999/May/img2.jpg,Di\nimg2.jpg,Ed\nimg3.jpg,Cy\n")
    assert [(line.number, line.words) for line in told.conflicts.first] == [(4, "by: “Bo” and “Di”")]
    assert told.columns == {"by": 1}
    assert kept(collection) == {("1999/May/img2.jpg", "by"): "Ann", ("1999/June/img3.jpg", "by"): "Cy"}


@pytest.mark.parametrize(
    "content",
    [
        "\ufefffile;newspaper\r\nimg2.jpg;Süden\r\n".encode(),
        "file;newspaper\nimg2.jpg;Süden".encode("cp1252"),
        "file\tnewspaper\nimg2.jpg\tSüden".encode("utf-16"),
        'file,newspaper\n"img2.jpg","Süden"\n'.encode(),
        "file,newspaper\n1999\\May\\img2.jpg, Süden \n".encode(),
    ],
    ids=["byte order mark and semicolons", "an old spreadsheet's letters", "tabs", "quotes", "a path of Windows"],
)
def test_tables_are_read_as_spreadsheets_write_them(collection, photos, content):
    told = store(collection, content)
    assert kept(collection) == {("1999/May/img2.jpg", "newspaper"): "Süden"}
    assert told.encoding == ("Windows-1252" if b"\xfc" in content and b"\0" not in content else "")


def test_letters_compare_as_they_look(collection):
    factories.make_photo(collection, name="cafe\u0301.jpg")
    store(collection, "file,by\ncaf\u00e9.jpg,'=Ann\n")
    assert list(kept(collection).values()) == ["=Ann"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"file\nimg1.jpg\n", "has one column"),
        (b"file,,x\n", "has no name"),
        (b"file,x,x\n", "Two columns are called .x."),
        (b'file,x\nimg2.jpg,"half a li', "Line 2 breaks off"),
        (b"PK\x03\x04\0\0", "no table of text"),
        (b"file," + b"x" * 61, "more than 60 characters"),
        (b"file," + b",".join(b"c%d" % n for n in range(21)), "may have 20 columns"),
    ],
)
def test_a_table_that_cannot_be_read_changes_nothing(collection, photos, content, why):
    store(collection, HEAD + "img2.jpg,Post,politics\n")
    before = kept(collection)
    with pytest.raises(tags.BadTable, match=why):
        store(collection, content)
    assert kept(collection) == before


def test_of_many_wrong_lines_the_first_are_told(collection, photos):
    told = store(collection, "file,by\n" + "nobody.jpg,Ann\n" * 200)
    assert (told.unknown.count, len(told.unknown.first)) == (200, tags.MOST_TOLD)


def test_photos_of_other_collections_are_left_alone(collection, photos):
    other = factories.CollectionFactory(owner=collection.owner)
    theirs = factories.make_photo(other, name="img2.jpg")
    store(collection, HEAD + "img2.jpg,Post,\n")
    assert not theirs.tags.exists()


def test_a_table_takes_few_queries_for_many_photos(collection, django_assert_max_num_queries):
    for n in range(40):
        factories.make_photo(collection, name=f"p{n}.jpg")
    table = "file,by\n" + "".join(f"p{n}.jpg,Ann\n" for n in range(40))
    with django_assert_max_num_queries(14):
        assert store(collection, table).photos == 40
    with django_assert_max_num_queries(14):
        store(collection, table.replace("Ann", "Bo"))
    assert set(kept(collection).values()) == {"Bo"}


def test_a_column_goes_with_its_values(collection, photos):
    store(collection, HEAD + "img2.jpg,Post,politics\n")
    tags.remove_column(collection.tag_columns.get(name="section"))
    assert kept(collection) == {("1999/May/img2.jpg", "newspaper"): "Post"}
