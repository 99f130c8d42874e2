import os
import sqlite3
import subprocess
import sys
from time import sleep, time
from uuid import uuid4

import pytest
from django.db import OperationalError

from classifier.models import RateBucket
from classifier.running import redis_server
from classifier.services import rates
from classifier.services.rates import Rate
from tests.clock import Seconds


@pytest.fixture(autouse=True)
def database_counts(settings) -> None:
    """Also where the other tests run with a Redis."""
    settings.REDIS_URL = ""


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Seconds:
    return Seconds(monkeypatch, of=rates)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("600/min", Rate(600, 60)), ("5/s", Rate(5, 1)), ("50/hour", Rate(50, 3600)), ("1/day", Rate(1, 86_400))],
)
def test_a_rate_is_a_number_and_a_unit(text, rate):
    assert rates.parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "off", " OFF "])
def test_a_rate_can_be_switched_off(text):
    assert rates.parse_rate(text) is None
    assert rates.take("nobody", rate=None) == 0.0


@pytest.mark.parametrize("text", ["600", "600/fortnight", "0/min", "-1/min", "many/min", "600/"])
def test_anything_else_is_no_rate(text):
    with pytest.raises(ValueError):
        rates.parse_rate(text)


def test_a_full_bucket_gives_its_limit_at_once_and_then_says_how_long_to_wait(db):
    rate = Rate(3, 60)
    assert [rates.take("a", rate=rate) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.take("a", rate=rate) == pytest.approx(20)
    assert rates.take("a", rate=rate) == pytest.approx(20), "what is refused costs nothing"


def test_a_bucket_fills_again_evenly_and_never_over_its_rim(db, clock):
    rate = Rate(3, 60)
    for _ in range(3):
        rates.take("a", rate=rate)
    clock.now += 20
    assert rates.take("a", rate=rate) == 0.0
    assert rates.take("a", rate=rate) == pytest.approx(20)
    clock.now += 10_000
    assert [rates.take("a", rate=rate) == 0.0 for _ in range(4)] == [True, True, True, False]


def test_an_amount_is_taken_whole_or_not_at_all(db):
    rate = Rate(100, 100)
    assert rates.take("a", rate=rate, amount=60) == 0.0
    assert rates.take("a", rate=rate, amount=60) == pytest.approx(20)
    assert rates.take("a", rate=rate, amount=40) == 0.0
    assert rates.take("b", rate=rate, amount=1000) == 0.0, "more than the bucket holds costs the whole bucket"


def test_buckets_are_apart(db):
    rate = Rate(1, 60)
    assert rates.take("a", rate=rate) == 0.0
    assert rates.take("b", rate=rate) == 0.0
    assert rates.take("a", rate=rate) > 0


def test_one_update_decides(db, django_assert_num_queries):
    rates.take("a", rate=Rate(9, 60))
    with django_assert_num_queries(1):
        rates.take("a", rate=Rate(9, 60))


def test_of_two_first_requests_at_once_neither_is_refused(db, monkeypatch):
    """Both find no bucket; the second meets the one that the first has made."""
    get_or_create = RateBucket.objects.get_or_create

    def come_second(**values):
        get_or_create(**values)
        return get_or_create(**values)

    monkeypatch.setattr(RateBucket.objects, "get_or_create", come_second)
    assert rates.take("a", rate=Rate(9, 60)) == 0.0


def test_a_bucket_that_is_being_made_is_not_swept_by_another(db, monkeypatch):
    get_or_create = RateBucket.objects.get_or_create

    def meet_another(**values):
        made = get_or_create(**values)
        monkeypatch.undo()
        monkeypatch.setattr(rates, "time", lambda: 1_800_000_000.0)
        rates.take("another", rate=Rate(9, 60))
        return made

    monkeypatch.setattr(RateBucket.objects, "get_or_create", meet_another)
    assert rates.take("a", rate=Rate(9, 60)) == 0.0


def test_buckets_that_were_full_for_long_are_removed(db, clock):
    rates.take("old", rate=Rate(9, 60))
    clock.now += 2 * rates.KEEP_FULL_SECONDS
    rates.take("new", rate=Rate(9, 60))
    assert list(RateBucket.objects.values_list("key", flat=True)) == ["new"]


def test_a_database_that_cannot_be_written_locks_nobody_out(db, monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(rates, "_take_from_database", refuse)
    assert rates.take("a", rate=Rate(1, 60)) == 0.0


def test_without_redis_the_database_counts_on(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    rate = Rate(1, 60)
    assert rates.take("a", rate=rate) == 0.0
    assert rates.take("a", rate=rate) > 0


def test_what_did_not_count_is_given_back(db, clock):
    rate = Rate(3, 60)
    for _ in range(3):
        rates.take("a", rate=rate)
    rates.give_back("a", rate=rate)
    assert rates.take("a", rate=rate) == 0.0
    assert rates.take("a", rate=rate) > 0
    rates.give_back("a", rate=rate, amount=3)
    rates.give_back("a", rate=rate, amount=3)
    rates.give_back("never taken", rate=rate)
    assert [rates.take("a", rate=rate) == 0.0 for _ in range(4)] == [True, True, True, False], "never over its rim"


def test_buckets_are_forgotten_by_the_beginning_of_their_keys(db):
    for key in ("log-in:1:a", "log-in:1:b", "log-in:11", "log-in:2:a"):
        rates.take(key, rate=Rate(1, 60))
    assert rates.forget("log-in:1:") == ["log-in:1:a", "log-in:1:b"]
    assert rates.take("log-in:1:a", rate=Rate(1, 60)) == 0.0
    assert rates.take("log-in:2:a", rate=Rate(1, 60)) > 0


def test_without_redis_what_the_database_counted_is_given_back_and_forgotten(db, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    rate = Rate(1, 60)
    rates.take("a", rate=rate)
    rates.give_back("a", rate=rate)
    assert rates.take("a", rate=rate) == 0.0
    assert rates.forget("a") == ["a"]
    assert rates.take("a", rate=rate) == 0.0


@pytest.mark.redis
def test_redis_gives_back_and_forgets(db, settings):
    settings.REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
    if not settings.REDIS_URL:
        pytest.skip("needs a Redis at TEST_REDIS_URL")
    key, rate = f"test:{uuid4()}", Rate(2, 60)
    rates.give_back(key, rate=rate)
    assert [rates.take(key, rate=rate) == 0.0 for _ in range(3)] == [True, True, False]
    rates.give_back(key, rate=rate)
    assert [rates.take(key, rate=rate) == 0.0 for _ in range(2)] == [True, False]
    rates.give_back(key, rate=rate, amount=2)
    assert [rates.take(key, rate=rate) == 0.0 for _ in range(3)] == [True, True, False]
    assert rates.forget(key) == [key]
    assert [rates.take(key, rate=rate) == 0.0 for _ in range(3)] == [True, True, False]


@pytest.mark.redis
def test_redis_counts_the_same_way(settings):
    settings.REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
    if not settings.REDIS_URL:
        pytest.skip("needs a Redis at TEST_REDIS_URL")
    key, rate = f"test:{uuid4()}", Rate(3, 60)
    assert [rates.take(key, rate=rate) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert 19 < rates.take(key, rate=rate) <= 20
    assert rates.take(f"{key}:many", rate=Rate(100, 100), amount=60) == 0.0
    assert 19 < rates.take(f"{key}:many", rate=Rate(100, 100), amount=60) <= 20


@pytest.mark.redis
@pytest.mark.parametrize("count", [rates.take, rates.charge])
def test_redis_takes_what_was_counted_before_its_clock_jumped_back_for_an_empty_bucket(settings, count):
    settings.REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
    if not settings.REDIS_URL:
        pytest.skip("needs a Redis at TEST_REDIS_URL")
    key, rate = f"test:{uuid4()}", Rate(30, 3)
    redis_server.find_server().client.set(rates.REDIS_PREFIX + key, time() + 1_000_000)
    assert 0 < count(key, rate=rate, amount=1) <= 0.1
    sleep(0.3)
    assert count(key, rate=rate, amount=1) == 0.0


def test_what_was_used_is_charged_whole_and_paid_off_evenly(db, clock):
    rate = Rate(60, 600)
    assert rates.charge("a", rate=rate, amount=0) == 0.0
    assert rates.charge("a", rate=rate, amount=59.5) == 0.0
    assert rates.charge("a", rate=rate, amount=30.5) == pytest.approx(300)
    assert rates.charge("a", rate=rate, amount=0) == pytest.approx(300), "asking costs nothing"
    clock.now += 200
    assert rates.charge("a", rate=rate, amount=0) == pytest.approx(100)
    clock.now += 101
    assert rates.charge("a", rate=rate, amount=0) == 0.0


def test_a_charge_that_cannot_be_written_locks_nobody_out(db, monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(rates, "_charge_in_database", refuse)
    assert rates.charge("a", rate=Rate(1, 60), amount=100) == 0.0


@pytest.mark.redis
def test_redis_charges_the_same_way(settings):
    settings.REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
    if not settings.REDIS_URL:
        pytest.skip("needs a Redis at TEST_REDIS_URL")
    key, rate = f"test:{uuid4()}", Rate(60, 600)
    assert rates.charge(key, rate=rate, amount=0) == 0.0
    assert rates.charge(key, rate=rate, amount=59.5) == 0.0
    assert 299 < rates.charge(key, rate=rate, amount=30.5) <= 300
    assert 299 < rates.charge(key, rate=rate, amount=0) <= 300


TAKE_MANY = """
import django
django.setup()
from classifier.services import rates
print(sum(rates.take("shared", rate=rates.Rate(40, 86_400)) == 0.0 for _ in range(30)))
"""


def test_processes_that_take_at_once_share_one_bucket(tmp_path):
    database = tmp_path / "facet.sqlite3"
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("REDIS_URL", "DATABASE_URL")},
        "FACET_DATA": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
    }
    with sqlite3.connect(database) as created:
        created.execute(
            "CREATE TABLE classifier_ratebucket"
            " (id integer PRIMARY KEY, key varchar(100) UNIQUE NOT NULL, full_at real NOT NULL)"
        )
    takers = [
        subprocess.Popen([sys.executable, "-c", TAKE_MANY], env=environment, stdout=subprocess.PIPE) for _ in range(3)
    ]
    assert sum(int(taker.communicate(timeout=60)[0]) for taker in takers) == 40
