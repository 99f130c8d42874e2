"""Messages that no worker can read, in any number: they go in one pass, and the next good one is delivered."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from queue import Empty

import pytest
from kombu import Connection, Exchange, Queue

import classifier.running.broker  # noqa: F401 - registers the facetfiles transport
from classifier.running import broker

NO_MESSAGES = {
    "empty": b"",
    "half": b'{"body": "W10=", "hea',
    "not text": b"\xff\xfe",
    "a text": b'"hello"',
    "a number": b"5",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "no headers": b'{"body": "W10=", "properties": {"delivery_tag": "1", "delivery_info": {}}}',
    "headers of another kind": b'{"body": "W10=", "headers": 5, "properties": {"delivery_tag": "1"}}',
    "no properties": b'{"body": "W10=", "headers": {}}',
    "properties of another kind": b'{"body": "W10=", "headers": {}, "properties": [1]}',
    "no tag": b'{"body": "W10=", "headers": {}, "properties": {"delivery_info": {}}}',
    "body not decodable": b'{"body": "?", "headers": {}, "properties": {"delivery_tag": "1", "body_encoding": "rot"}}',
}


@pytest.fixture
def folder(tmp_path):
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def connection(folder):
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.01,
    }
    with Connection("facetfiles://", transport_options=options) as opened:
        yield opened


def send(connection, *, expires: datetime | None = None, number: int = 0) -> None:
    headers = {"expires": expires.isoformat()} if expires else {}
    producer = connection.Producer()
    producer.publish({"number": number}, routing_key="celery", headers=headers, declare=[Queue("celery")])


def receive(connection) -> dict:
    """The next message, as a worker gets it."""
    received = []
    with connection.Consumer(
        [Queue("celery")], callbacks=[lambda body, message: received.append((body, message.ack()))]
    ):
        connection.drain_events(timeout=5)
    return received[0][0]


@pytest.mark.parametrize("kind", NO_MESSAGES)
def test_what_is_no_message_is_dropped_and_the_next_one_delivered(folder, connection, kind):
    (folder / "messages" / "0.celery.msg").write_bytes(NO_MESSAGES[kind])
    send(connection, number=7)
    assert receive(connection) == {"number": 7}
    assert list((folder / "messages").iterdir()) == []


def test_a_folder_and_a_file_without_permission_in_the_place_of_messages_stop_nobody(folder, connection):
    (folder / "messages" / "0.celery.msg").mkdir()
    (folder / "messages" / "1.celery.msg").mkdir()
    (folder / "messages" / "1.celery.msg" / "within").touch()
    (folder / "messages" / "2.celery.msg").touch(mode=0)
    send(connection, number=7)
    assert receive(connection) == {"number": 7}
    assert connection.default_channel._size("celery") == 0


@pytest.mark.parametrize("content", [b"", b"[[", b'{"a": 1}', b"[[1, 2]]"])
def test_a_table_that_is_not_whole_neither_stops_a_worker_that_binds_nor_one_that_leaves(folder, connection, content):
    table = folder / "control" / "kombu.exchange"
    queue = Queue("mine", fresh_exchange("kombu"), routing_key="mine", channel=connection.default_channel)
    table.write_bytes(content)
    queue.declare()
    assert json.loads(table.read_text()) == [["mine", "", "mine"]]
    table.write_bytes(content)
    queue.delete()
    assert connection.default_channel.get_table("kombu") == []


def fresh_exchange(name):
    broker.filesystem.Transport.global_state.clear()  # as in a process that has bound nothing yet
    return Exchange(name, type="direct")


def test_bindings_of_others_stay(folder, connection):
    exchange = fresh_exchange("kombu")
    for name in ("mine", "yours"):
        Queue(name, exchange, routing_key=name, channel=connection.default_channel).declare()
    Queue("mine", exchange, routing_key="mine", channel=connection.default_channel).delete()
    assert [row.queue for row in connection.default_channel.get_table("kombu")] == ["yours"]
    assert [file.name for file in (folder / "control").iterdir()] == ["kombu.exchange"]


def test_a_table_is_never_seen_half_written(folder, connection, monkeypatch):
    """A full disk in the middle of writing leaves a table that others can read."""
    exchange = fresh_exchange("kombu")
    channel = connection.default_channel
    Queue("mine", exchange, routing_key="mine", channel=channel).declare()

    def be_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", be_full)
    with pytest.raises(broker.ChannelError):
        Queue("yours", exchange, routing_key="yours", channel=channel).declare()
    assert [row.queue for row in channel.get_table("kombu")] == ["mine"]


def test_what_killed_processes_left_goes_after_a_while_and_not_before(folder, connection):
    for name in ("a.writing", "b.celery.msg.17.taken", "fresh.writing"):
        (folder / "messages" / name).write_bytes(b"{}")
        if name[0] != "f":
            long_ago = time.time() - 2 * broker.LEFT_OVER_SECONDS
            os.utime(folder / "messages" / name, (long_ago, long_ago))
    send(connection)
    receive(connection)
    assert [file.name for file in (folder / "messages").iterdir()] == ["fresh.writing"]


def fill(folder, connection, *, count: int, expires: datetime) -> None:
    """As many messages as a day without a worker used to leave: copies of a real one."""
    send(connection, expires=expires)
    [first] = (folder / "messages").iterdir()
    content = first.read_bytes()
    for number in range(count - 1):
        (folder / "messages" / f"{number}.celery.msg").write_bytes(content)


def test_expired_messages_go_in_one_pass(folder, connection, monkeypatch):
    fill(folder, connection, count=300, expires=datetime.now(UTC) - timedelta(seconds=1))
    time.sleep(0.02)  # the good one is the youngest
    send(connection, number=7, expires=datetime.now(UTC) + timedelta(minutes=1))
    scans = count_scans(monkeypatch)
    assert receive(connection) == {"number": 7}
    assert list((folder / "messages").iterdir()) == []
    assert len(scans) == 1


def test_many_messages_are_read_back_with_few_looks_into_the_folder(folder, connection, monkeypatch):
    fill(folder, connection, count=300, expires=datetime.now(UTC) + timedelta(minutes=1))
    scans = count_scans(monkeypatch)
    channel = connection.default_channel
    for _ in range(300):
        channel._get("celery")
        with pytest.raises(Empty):
            channel._get("another")  # a worker listens to two queues, in turn
    assert len(scans) < 30


def count_scans(monkeypatch) -> list[str]:
    scans = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scans.append(path) or scandir(path))
    return scans
