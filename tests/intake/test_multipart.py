"""Every file of a form ends in an item, whatever its sender wrote into the head of its part."""

import pytest
from django.test import Client

from classifier.models import Photo, UploadItem
from classifier.services import tokens
from tests import pictures

JPEG = pictures.jpeg()


def part(disposition: bytes, body: bytes = JPEG) -> bytes:
    return b"--cut\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + body + b"\r\n"


def send(alice, *parts: bytes):
    _, secret = tokens.create_token(alice, name="a script")
    return Client().post(
        "/api/v1/photos/",
        b"".join(parts) + b"--cut--\r\n",
        content_type="multipart/form-data; boundary=cut",
        headers={"Authorization": f"Token {secret}"},
    )


def names(response) -> list[str]:
    assert response.status_code == 202, response.content
    return [item["name"] for item in response.json()["items"]]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'name="images"; filename="caf\xe9.jpg"', "café.jpg"),
        (b'name="images"; filename="caf\xc3\xa9.jpg"', "café.jpg"),
        (b'name="images"; filename="\x81\x8d.jpg"', "\ufffd\ufffd.jpg"),
        (b'name="images"; filename=".."', "unnamed"),
        (b'name="images"; filename="a/"', "unnamed"),
        (b'name="images"; filename=""', "unnamed"),
        (b'name="images"; filename="\x01"', "unnamed"),
        (b'name="images"; filename="a\\"b.jpg"', 'a"b.jpg'),
    ],
)
def test_a_file_of_any_name_is_an_item(alice, disposition, name):
    other = part(b'name="images"; filename="good.png"', pictures.encode(pictures.picture(32, 32), "PNG"))
    assert names(send(alice, part(disposition), other)) == [name, "good.png"]
    assert Photo.objects.filter(name=name).exists()


@pytest.mark.parametrize(
    ("disposition", "field"),
    [
        (b'name="phot\xf6s"; filename="a.jpg"', "photös"),
        (b'filename="a.jpg"', "unnamed"),
        (b'name=""; filename="a.jpg"', "unnamed"),
        (b"name=\"images\"; filename*=nonsense''a.jpg", "unnamed"),
    ],
)
def test_a_file_in_another_field_is_told(alice, disposition, field):
    response = send(alice, part(b'name="images"; filename="b.jpg"'), part(disposition))
    assert len(names(response)) == 2
    item = response.json()["items"][1]
    assert item["outcome"] == "unsupported"
    assert f"the field “{field}”" in item["message"]
    assert UploadItem.objects.count() == 2


def test_an_input_left_blank_is_no_file(alice):
    blank = part(b'name="images"; filename=""', b"")
    assert names(send(alice, blank, part(b'name="images"; filename="b.jpg"'))) == ["b.jpg"]


@pytest.mark.parametrize("ending", [b"\r\n\r\n\r\n", b"\r\n\r\n", b"\r\n"])
def test_an_empty_file_is_told_however_its_head_ends(alice, ending):
    empty = b'--cut\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"' + ending
    response = send(alice, part(b'name="images"; filename="b.jpg"'), empty)
    assert names(response) == ["b.jpg", "a.jpg"]
    assert response.json()["items"][1]["outcome"] == "empty"


def test_a_very_long_name_is_cut(alice):
    response = send(alice, part(b'name="images"; filename="' + b"\xe9" * 700 + b'.jpg"'))
    assert names(response) == ["é" * 251 + ".jpg"]


def test_the_page_tells_of_files_in_other_fields_as_well(alice_client, collection):
    body = part(b'name="images"; filename="caf\xe9.jpg"') + part(b'name="other"; filename="b.jpg"') + b"--cut--\r\n"
    response = alice_client.post(
        f"/collections/{collection.uid}/upload/", body, content_type="multipart/form-data; boundary=cut", follow=True
    )
    assert response.status_code == 200
    assert "café.jpg" in response.text
    assert "the field “other”" in response.text
