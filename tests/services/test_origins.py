"""Where photos came from: their folders, and the day on which they were taken, where that is kept."""

from datetime import date

import pytest
from django.db.models import F
from PIL import ExifTags, Image

from classifier.models import Photo
from classifier.services import collections, deletion, uploads
from classifier.services.received import clean_folder
from classifier.services.refusals import FoldersDoNotMatch
from tests import pictures
from tests.services.submissions import sent


def taken(day: str, *, seed: int = 0) -> bytes:
    """A JPEG as a phone writes it: with the moment, the place and the camera."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Snapper"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = day
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 7.0)
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSDateStamp] = "2001:01:01"
    return pictures.encode(pictures.picture(64, 48, seed=seed), "JPEG", exif=exif)


@pytest.fixture
def dated(alice):
    return collections.create_collection(alice, name="Dated", purpose="months", keeps_capture_dates=True)


def test_the_day_is_kept_where_the_collection_says_so_and_the_place_never(alice, collection, dated):
    for where, wanted in ((collection, None), (dated, date(1999, 5, 2))):
        uploads.submit_photos(alice, collection=where, files=[sent("a.jpg", taken("1999:05:02 23:59:59"))])
        photo = where.photos.get()
        assert photo.captured_on == wanted
        row = Photo.objects.filter(pk=photo.pk).values().get()
        assert not any("Snapper" in str(value) or str(value) == "52" for value in row.values())
        for file in (photo.image, photo.thumbnail):
            content = file.read()
            assert not [word for word in (b"Exif", b"Snapper", b"1999") if word in content]


@pytest.mark.parametrize("day", ["0000:00:00 00:00:00", "1825:12:31 00:00:00", "1999:02:30 10:00:00", "yesterday", ""])
def test_a_day_that_is_none_is_not_kept(alice, dated, day):
    uploads.submit_photos(alice, collection=dated, files=[sent("a.jpg", taken(day))])
    assert dated.photos.get().captured_on is None


def test_each_photo_keeps_its_folder(alice, collection):
    files = [sent(f"img{n}.jpg", seed=n) for n in range(3)]
    folders = ["1999/May", "", r"1999\June\..\.\ "]
    uploads.submit_photos(alice, collection=collection, files=files, folders=folders)
    told = dict(collection.photos.values_list("name", "folder"))
    assert told == {"img0.jpg": "1999/May", "img1.jpg": "", "img2.jpg": "1999/June"}
    collection.refresh_from_db()
    assert collection.has_origins
    again = uploads.submit_photos(alice, collection=collection, files=[sent("x.jpg", seed=0)])
    assert again.items.get().message.endswith("as “1999/May/img0.jpg”.")


def test_one_folder_holds_for_all_files_and_another_number_is_refused(alice, collection):
    files = [sent(f"{n}.jpg", seed=n) for n in range(3)]
    with pytest.raises(FoldersDoNotMatch):
        uploads.submit_photos(alice, collection=collection, files=files, folders=["a", "b"])
    assert not collection.photos.exists()
    uploads.submit_photos(alice, collection=collection, files=files, folders=["a"])
    assert set(collection.photos.values_list("folder", flat=True)) == {"a"}


def test_folders_are_cleaned_as_names_are():
    assert clean_folder("/etc/../a\u202e b\x00/ c ") == "etc/a b/c"
    assert clean_folder("a/" * 300) == ("a/" * 200)[:-1]


def test_newest_first_is_the_order_of_the_files_turned_round(alice, collection):
    names = [f"{n}.jpg" for n in range(12)]
    # The first ones take longest to decode, so that the last are ready before them.
    files = [sent(name, pictures.jpeg(1600 - 130 * n, 1200, seed=n)) for n, name in enumerate(names)]
    uploads.submit_photos(alice, collection=collection, files=files)
    assert list(collection.photos.values_list("name", flat=True)) == names[::-1]


def test_what_a_photo_was_called_and_where_it_lay_goes_with_its_mark(alice, collection):
    uploads.submit_photos(alice, collection=collection, files=[sent()], folders=["secret place"])
    photos = collection.photos.all()
    photos.update(captured_on=date(1999, 5, 2))
    deletion.mark_photos(photos, at=photos.get().received_at)
    kept = Photo.objects.annotate(key=F("name_key")).values_list("name", "key", "folder", "captured_on").get()
    assert (kept[0], bytes(kept[1]), *kept[2:]) == ("", b"", "", None)
