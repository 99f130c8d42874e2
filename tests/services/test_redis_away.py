"""Redis killed, full, loading or hanging: pages are slower at most, limits are counted, uploads go through."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.urls import reverse

from classifier import tasks
from classifier.models import State
from classifier.running import hints, redis_server
from classifier.services import rates
from tests import factories
from tests.servers import OwnRedis
from tests.services.submissions import sent
from webapp import settings as project_settings
from webapp.celery import Facet, broker_settings

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS: dict[str, Callable[[OwnRedis], None]] = {
    "killed": OwnRedis.kill,
    "out of memory": OwnRedis.run_out_of_memory,
    "loading": OwnRedis.load_for_long,
    "hanging": OwnRedis.hang,
}
ANSWERED_SECONDS = 2  # generous: without time limits a page takes for ever and an upload waits 6 s


def do_nothing() -> None:
    """In the place of the task: only its message matters here."""


@pytest.fixture
def own_redis(tmp_path, settings, monkeypatch) -> Iterator[OwnRedis]:
    """An instance that has used its Redis already: cache, limits and broker."""
    server = OwnRedis(tmp_path / "redis")
    server.start("--save", "")
    settings.REDIS_URL = server.url
    settings.CACHES = {
        "default": {
            "BACKEND": "classifier.running.shared_cache.SharedCache",
            "LOCATION": server.url,
            "OPTIONS": {"stand_in": "database"},
        },
        "database": project_settings.DATABASE_CACHE,
    }
    app = Facet("fresh", set_as_current=False)
    app.conf.update(**broker_settings(), task_ignore_result=True, task_publish_retry=False)
    monkeypatch.setattr(tasks, "analyze", app.task(name=tasks.analyze.name, shared=False)(do_nothing))
    monkeypatch.setattr(hints, "current_app", SimpleNamespace(tasks={hints.ANALYZE: tasks.analyze}))
    caches["database"].clear()  # its table is no model's: nobody empties it between tests
    cache.set("kept", "in Redis")
    assert hints.send_hint(tasks.analyze)
    try:
        yield server
    finally:
        server.kill()
        caches["database"].clear()
        app.pool.force_close_all()
        app.close()


@pytest.fixture(params=FAULTS)
def fault(request, own_redis) -> str:
    FAULTS[request.param](own_redis)
    return request.param


def post(client: Client, name: str, **fields: str) -> int:
    return client.post(reverse(name), fields).status_code


def test_everything_answers_as_normal_while_redis_is_away(alice, collection, fault):
    photo = factories.make_photo(collection, state=State.DONE)
    factories.make_face(photo)
    mine, stranger = Client(), Client()
    mine.force_login(alice)
    password = "correct horse battery"  # as in the factory
    asked = {
        "home": (lambda: mine.get("/").status_code, 200),
        "gallery": (lambda: mine.get(reverse("collection-detail", args=[collection.uid])).status_code, 200),
        "API": (lambda: mine.get(reverse("api-collection-list")).status_code, 200),
        "upload": (
            lambda: (
                mine.post(
                    reverse("api-photo-list"),
                    {"images": sent(seed=5), "collection": collection.uid},
                    format="multipart",
                ).status_code
            ),
            202,
        ),
        "wrong log-in": (lambda: post(stranger, "account_login", login="alice", password="wrong"), 200),
        "log-in": (lambda: post(stranger, "account_login", login="alice", password=password), 302),
        "sign-up": (
            lambda: post(
                Client(),
                "account_signup",
                username="newcomer",
                email="new@example.org",
                terms="on",
                password1=password,
                password2=password,
            ),
            302,
        ),
        "health": (lambda: Client().get("/healthz").status_code, 200),
    }
    told, seconds = {}, {}
    for name, (ask, _) in asked.items():
        start = time.monotonic()
        told[name] = ask()
        seconds[name] = time.monotonic() - start
    assert told == {name: expected for name, (_, expected) in asked.items()}
    assert max(seconds.values()) < ANSWERED_SECONDS, seconds
    assert collection.photos.count() == 2


def test_a_hint_waits_for_redis_no_longer_than_its_time_limit(fault):
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        hints.send_hint(tasks.analyze)
        seconds.append(time.monotonic() - start)
    assert seconds[0] < 3 * redis_server.TIMEOUT_SECONDS
    assert sum(seconds[1:]) < redis_server.TIMEOUT_SECONDS / 4, "after a failure nobody asks for a while"


def test_limits_are_counted_in_the_database_meanwhile(fault, monkeypatch):
    monkeypatch.setattr(redis_server, "REST_SECONDS", 0)  # also when the server is looked at each time
    rate = rates.Rate(3, 3600)
    assert [rates.take("someone", rate=rate) == 0.0 for _ in range(4)] == [True, True, True, False]
    for count in range(1, 4):  # the way of allauth
        cache.set("log-ins", [*cache.get("log-ins", []), count], 60)
    assert cache.get("log-ins") == caches["database"].get("log-ins") == [1, 2, 3]
    assert cache.add("lock", True, 60)
    assert not cache.add("lock", True, 60)


def test_every_verb_of_the_cache_is_answered_meanwhile(fault):
    assert cache.set_many({"a": 1, "b": 2}) == []
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    assert (cache.incr("a"), cache.decr("b")) == (2, 1)
    assert cache.touch("a", 60)
    assert cache.has_key("a")
    assert cache.delete("a")
    assert cache.get_or_set("d", lambda: 7) == 7
    cache.delete_many(["b"])
    cache.clear()
    assert cache.get("d", "nothing") == "nothing"


def test_redis_is_used_again_when_it_is_back(own_redis, monkeypatch):
    monkeypatch.setattr(redis_server, "REST_SECONDS", 0.1)
    own_redis.hang()
    cache.set("kept", "meanwhile")
    assert cache.get("kept") == "meanwhile"
    own_redis.go_on()
    time.sleep(0.2)
    cache.set("kept", "again")
    assert caches["database"].get("kept") == "meanwhile"
    assert own_redis.client.exists(cache.make_key("kept"))
    own_redis.client.delete("celery")
    assert hints.send_hint(tasks.analyze)
    assert own_redis.client.llen("celery") == 1


def test_at_most_one_message_waits(own_redis):
    assert own_redis.client.llen("celery") == 1
    assert not any(hints.send_hint(tasks.analyze) for _ in range(5))
    assert own_redis.client.llen("celery") == 1
    own_redis.client.delete("celery")
    assert hints.send_hint(tasks.analyze), "one that was lost is sent again"


def test_nobody_looks_again_before_its_time_and_then_only_one_does(monkeypatch):
    server = redis_server.RedisServer("redis://127.0.0.1:1/0")
    looks = []
    monkeypatch.setattr(server.client, "set", lambda *_, **__: looks.append(server.is_up()))
    assert server.is_up()
    server.note_failure(OSError("refused"))
    assert not server.is_up()
    assert looks == []
    monkeypatch.setattr(redis_server, "monotonic", lambda: time.monotonic() + redis_server.REST_SECONDS)
    assert server.is_up()
    assert looks == [False], "others go on without it while one looks"
