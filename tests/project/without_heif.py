"""What `test_without_heif` runs in a Python that has no pillow-heif; its name keeps it out of everybody's tests."""

import csv
import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from classifier.api import schema
from classifier.intake import formats
from classifier.services import uploads
from ml import heic, photos, predict
from tests import pictures

LIST = "JPEG, PNG, WebP, GIF, BMP and AVIF"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
SHARED_BRAND = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(100)


def test_it_is_absent():
    assert not heic.IS_READ
    assert formats.FORMATS == LIST


def test_a_heic_photo_is_unsupported_for_a_reason_of_its_own(alice, collection):
    files = [
        SimpleUploadedFile("phone.heic", HEIC),
        SimpleUploadedFile("other-phone.heif", SHARED_BRAND),
        SimpleUploadedFile("diary.txt", b"Dear diary, today I was called a.jpg."),
        SimpleUploadedFile("photo.jpg", pictures.jpeg()),
        SimpleUploadedFile("photo.avif", pictures.encode(pictures.picture(64, 48), "AVIF")),
    ]
    phone, other, diary, *read = uploads.submit_photos(alice, collection=collection, files=files).items.order_by(
        "number"
    )
    for item in (phone, other):
        assert item.outcome == "unsupported"
        assert item.message.startswith(f"This is a HEIC photo, and this site was set up without HEIC; it reads {LIST}.")
    assert diary.outcome == "unsupported"
    assert diary.message.startswith(f"Facet reads {LIST}; this file is none of these.")
    assert [item.outcome for item in read] == ["accepted", "accepted"]


def test_avif_under_the_brand_of_the_container_is_avif():
    assert formats.recognise_format(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif") == ("AVIF",)


def test_a_broken_video_is_no_heic():
    with pytest.raises(formats.BadImage, match="none of these"):
        formats.recognise_format(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41")


def test_the_page_of_a_collection_neither_names_nor_offers_it(alice_client, collection):
    page = alice_client.get(f"/collections/{collection.uid}/").content.decode()
    assert LIST in page
    accepted = re.search(r'name="images"[^>]*accept="([^"]*)"|accept="([^"]*)"[^>]*name="images"', page)
    assert "image/jpeg,image/png,image/webp,image/gif,image/bmp,image/avif" in accepted.groups()
    assert not re.search(r"hei[cf]", page, re.IGNORECASE)


def test_the_page_about_facet_does_not_name_it(client, db):
    page = client.get("/about/").content.decode()
    assert LIST in page
    assert "HEIC" not in page


def test_the_description_of_the_api_does_not_offer_it():
    told = json.dumps(schema.build_document())
    assert f"in a field `images`: {LIST}." in told
    assert f"Facet reads {LIST}; this file is none" in told
    assert "HEIC" not in told


def test_predict_says_which_files_it_cannot_read(tmp_path, capsys):
    (tmp_path / "phone.HEIC").write_bytes(HEIC)
    assert predict.main([str(tmp_path), "--csv", str(tmp_path / "faces.csv")]) == 3
    assert "HEIC needs pillow-heif, Facet's extra “heif”, which is not installed" in capsys.readouterr().err
    (row,) = csv.DictReader((tmp_path / "faces.csv").read_text().splitlines())
    assert (row["status"], row["reason"]) == ("unreadable", "no_heic")
    with pytest.raises(photos.UnreadablePhoto) as caught:
        photos.read_photo(HEIC)
    assert caught.value.reason == "no_heic"
