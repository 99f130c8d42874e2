"""Messages as files: whole or not at all, each taken once, rubbish stepped over."""

from queue import Empty

import pytest
from kombu import Connection

import classifier.running.broker  # noqa: F401 - registers the facetfiles transport


@pytest.fixture
def folder(tmp_path):
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


def open_channel(folder):
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
    }
    return Connection("facetfiles://", transport_options=options).channel()


def test_messages_come_back_oldest_first_and_once(folder):
    channel = open_channel(folder)
    for number in range(3):
        channel._put("celery", {"number": number})
    other = open_channel(folder)
    taken = [reader._get("celery")["number"] for reader in (channel, other, channel)]
    assert taken == [0, 1, 2]
    with pytest.raises(Empty):
        other._get("celery")
    assert list((folder / "messages").iterdir()) == []


def test_an_empty_or_broken_file_is_stepped_over(folder):
    channel = open_channel(folder)
    (folder / "messages" / "1.celery.msg").write_bytes(b"")
    (folder / "messages" / "2.celery.msg").write_bytes(b'{"half": ')
    (folder / "messages" / "3.celery.msg").write_bytes(b"\xff\xfe")
    channel._put("celery", {"number": 1})
    assert channel._get("celery") == {"number": 1}


def test_a_message_that_is_still_being_written_is_not_read(folder):
    channel = open_channel(folder)
    (folder / "messages" / "abc.writing").write_bytes(b'{"half": ')
    with pytest.raises(Empty):
        channel._get("celery")


def test_queues_do_not_take_each_others_messages(folder):
    channel = open_channel(folder)
    channel._put("other", {"number": 1})
    with pytest.raises(Empty):
        channel._get("celery")
    assert channel._size("other") == 1
