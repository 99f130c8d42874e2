"""What is logged of a whole journey: ids, states and times; no name, file, address, label or probability."""

import io
import json
import logging

import pytest
import structlog
from celery.signals import task_failure, task_prerun, task_success
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django_structlog.celery.receivers import CeleryReceiver

from classifier import tasks
from classifier.models import Guess, Photo, Prediction, User
from classifier.services import analysis, tokens
from classifier.services.reviews import drawing
from classifier.views import collections as collection_pages
from tests import pictures
from webapp import celery, logs

FILE = "Ingrid Holm passport.jpg"
TELLING = ("Ingrid", "Holm", "alice", "example.org", "Front pages", "horse", "sesame", "cmd.exe", "tag-of-ingrid")
LOGGERS = ("", "django_structlog")


@pytest.fixture
def lines(settings):
    """Everything that is written, line by line, as FACET_LOG_FORMAT=json writes it, with FACET_LOG_LEVEL=DEBUG."""
    written = io.StringIO()
    arranged = logs.arrange(level="DEBUG", form="json", with_words=False)
    arranged["formatters"]["line"].pop("()")
    handler = logging.StreamHandler(written)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**arranged["formatters"]["line"]))
    found = [logging.getLogger(name) for name in LOGGERS]
    levels = {name: logging.getLogger(name).level for name in ("facet", "django_structlog")}
    for logger in found:
        logger.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for logger in found:
        logger.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def assert_nothing_told(lines, *words: str) -> None:
    text = json.dumps(lines, ensure_ascii=False)
    assert [word for word in (*TELLING, *words) if word and word in text] == []


def break_page(monkeypatch, error: Exception) -> None:
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(collection_pages.collections, "list_collections", broken, raising=False)
    monkeypatch.setattr(collection_pages, "render", broken)


def said_of_faces() -> set[str]:
    """Labels and probabilities; ages, which a time could hold by chance, by their probabilities alone."""
    guesses = Guess.objects.all()
    words = {guess.label for guess in guesses.exclude(attribute="age")}
    vectors = [vector for row in Prediction.objects.all() for vector in row.vectors.values()]
    numbers = {str(number)[:8] for vector in vectors for number in vector if number > 1e-4}
    assert (len(words), len(numbers) > 10) == (2, True)
    return words | numbers | {str(guess.probability)[:8] for guess in guesses}


def test_a_whole_journey_is_told_in_ids_alone(lines, alice, collection, settings, monkeypatch):
    settings.DEBUG = False
    client = Client(raise_request_exception=False)
    client.post(reverse("account_login"), {"login": "alice", "password": "open sesame"})
    client.post(reverse("account_login"), {"login": "alice@example.org", "password": "correct horse battery"})
    photo = SimpleUploadedFile(FILE, pictures.jpeg(seed=4), "image/jpeg")
    damaged = SimpleUploadedFile("cmd.exe", b"Ingrid", "image/jpeg")
    client.post(reverse("photo-upload", args=[collection.uid]), {"images": [photo, damaged]})
    _, key = tokens.create_token(alice, name="laptop of Ingrid")
    client.get(reverse("api-photo-list"), {"name": FILE}, headers={"Authorization": f"Token {key}"})
    analysis.run_once()
    sent = Photo.objects.get()
    client.get(reverse("photo-detail", args=[sent.uid]), {"q": "tag-of-ingrid"})
    assert client.get(reverse("photo-image", args=[sent.uid])).getvalue()
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=1)
    said = {"face": str(sent.faces.get().uid), "answers": {"race": "Black"}}
    client.post(reverse("draw-answer", args=[draw.uid]), said, content_type="application/json")
    client.get(f"/accounts/password/reset/key/sesame-{key}/")
    client.get("/nowhere/Ingrid-Holm/?next=alice")
    client.generic("INGRID", "/")
    break_page(monkeypatch, ValueError(f"{FILE} of alice"))
    broken = client.get(reverse("collection-list"))
    assert broken.status_code == 500

    told = lines()
    stored = Photo.objects.get()
    assert_nothing_told(told, key, stored.image.name, stored.thumbnail.name, *said_of_faces())
    asked = {line["route"]: line for line in told if line["logger"] == "facet.access"}
    uploaded = asked["/collections/<uuid:uid>/upload/"]
    assert {name: uploaded[name] for name in ("method", "status", "uid", "user")} == {
        "method": "POST",
        "status": 302,
        "uid": str(collection.uid),
        "user": str(alice.uid),
    }
    assert (len(uploaded["request_id"]), uploaded["ms"] > 0) == (32, True)
    assert asked["/api/v1/photos/"]["user"] == str(alice.uid)
    assert {line["status"] for line in asked.values()} >= {200, 302, 404, 500}
    (error,) = [line for line in told if line["level"] == "error"]
    assert error["request_id"] == broken["X-Request-ID"]
    assert "test_logs.py" in error["exception"]
    assert error["exception"].endswith(f"ValueError {logs.LEFT_OUT}")


def test_looking_who_asks_costs_no_question_to_the_database(client, db, django_assert_num_queries, lines):
    with django_assert_num_queries(0):
        client.get("/healthz")
    (line,) = lines()
    assert "user" not in line


def test_values_that_the_database_refuses_are_not_repeated(lines, alice):
    try:
        with transaction.atomic():
            User.objects.create_user(alice.username, alice.email)
    except IntegrityError:
        logging.getLogger("facet.test").exception("refused")
    (line,) = lines()
    assert "IntegrityError" in line["exception"]
    assert "username" in line["exception"]
    assert "example.org" not in line["exception"]
    assert "(alice)" not in line["exception"]
    assert connection.vendor != "postgresql" or "23505" in line["exception"]


def test_words_that_hold_no_data_stay():
    assert logs.name_error(MemoryError("out of memory")) == "MemoryError: out of memory"
    assert logs.name_error(FileNotFoundError(2, "No such file", FILE)) == "FileNotFoundError: [Errno 2] No such file"
    assert logs.name_error(KeyError(FILE)) == f"KeyError {logs.LEFT_OUT}"


@pytest.fixture
def worker_signals():
    receiver = CeleryReceiver()
    pairs = [
        (task_prerun, receiver.receiver_task_prerun),
        (task_success, receiver.receiver_task_success),
        (task_failure, receiver.receiver_task_failure),
    ]
    for signal, tell in pairs:
        signal.connect(tell)
    yield
    for signal, tell in pairs:
        signal.disconnect(tell)
    structlog.contextvars.clear_contextvars()


def test_a_task_is_told_with_its_request_and_time_and_never_with_the_words_of_its_error(
    lines, worker_signals, db, monkeypatch
):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    origin = {"__django_structlog__": {"request_id": "f" * 32}}
    celery.app.tasks["classifier.tasks.analyze"].apply(headers=origin)

    def broken() -> None:
        raise ValueError(FILE)

    monkeypatch.setattr(tasks.disk, "has_room", broken)
    celery.app.tasks["classifier.tasks.analyze"].apply()
    told = lines()
    assert_nothing_told(told)
    ended = [line for line in told if line["message"] in ("task_succeeded", "task_failed")]
    assert [(line["task"], line["level"]) for line in ended] == [
        ("classifier.tasks.analyze", "info"),
        ("classifier.tasks.analyze", "error"),
    ]
    assert all(isinstance(line["duration_ms"], int) for line in ended)
    assert "ValueError" in ended[1]["exception"]


def test_sweeps_that_went_well_do_not_fill_the_log():
    said = {"event": "task_succeeded", "task": logs.SWEEP}
    assert not logs.is_news(logging.makeLogRecord({"levelno": logging.INFO, "msg": said}))
    assert logs.is_news(logging.makeLogRecord({"levelno": logging.ERROR, "msg": said | {"event": "task_failed"}}))
    assert logs.is_news(logging.makeLogRecord({"levelno": logging.INFO, "msg": said | {"task": "another"}}))


def test_a_command_tells_its_end_without_what_broke_it_said(lines):
    with pytest.raises(SystemExit) as ended, logs.told_command(["manage.py", "backup", FILE]):
        raise KeyError(FILE)
    assert ended.value.code == 1
    broke, end = lines()
    assert_nothing_told([broke, end])
    assert (broke["command"], end["command"], end["status"]) == ("backup", "backup", 1)


def test_people_get_lines_and_machines_get_objects():
    record = logging.makeLogRecord({"name": "facet.uploads", "levelname": "INFO", "levelno": 20, "msg": "upload 1"})
    written = {}
    for form in logs.FORMATS:
        line = logs.arrange(level="INFO", form=form, with_words=False)["formatters"]["line"]
        line.pop("()")
        written[form] = structlog.stdlib.ProcessorFormatter(**line).format(record)
    assert json.loads(written["json"])["message"] == "upload 1"
    assert "upload 1" in written["text"]
    assert not written["text"].startswith("{")
