"""Each wrong setting has a check that names it; a proper deployment passes all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from classifier import checks
from ml.model import card
from ml.model.runtime import RUNTIMES
from webapp import data_folder
from webapp.environment import NamingEnv

ROOT = Path(__file__).resolve().parents[2]


def ids(check):
    return [message.id for message in check(None)]


def run_check(folder, **environment):
    """`manage.py check --deploy` as an operator runs it, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FACET_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**clean, "FACET_DATA": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


PRODUCTION = {
    "FACET_URL": "https://facet.example.org",
    "FACET_HOSTS": "facet.example.org",
    "FACET_TLS": "1",
    "FACET_TRUST_PROXY": "1",
    "FACET_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
    "EMAIL_URL": "smtp+tls://facet:secret@mail.example.org:587",
}


def test_a_proper_deployment_passes_every_check(tmp_path):
    result = run_check(tmp_path, **PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_a_wrong_deployment_is_told_what_to_do(tmp_path):
    result = run_check(tmp_path, **PRODUCTION | {"FACET_SIGNUP": "perhaps"})
    assert result.returncode == 1
    assert "facet.E005" in result.stderr
    assert "open, invite, closed" in result.stderr


def test_tls_that_no_proxy_tells_of_is_an_error(tmp_path):
    result = run_check(tmp_path, **PRODUCTION | {"FACET_TRUST_PROXY": "", "FACET_TRUSTED_PROXIES": ""})
    assert result.returncode == 1
    assert "facet.E045" in result.stderr
    assert "FACET_TRUSTED_PROXIES" in result.stderr


def test_every_message_has_a_hint_and_an_id_of_its_own():
    source = "".join(path.read_text() for path in sorted(Path(checks.__file__).parent.glob("*.py")))
    found = [part.split('"')[0] for part in source.split('"facet.')[1:]]
    assert len(found) == len(set(found))
    assert source.count("hint=") == len(found) - 4  # the five choices share one


def test_a_data_folder_must_be_writable(settings, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != settings.DATA_DIR)
    assert ids(checks.security.check_data_folder) == ["facet.E001"]


@pytest.mark.parametrize("key", ["short", "a" * 80, "django-insecure-" + "0123456789abcdefghij" * 4])
def test_a_weak_secret_key_is_an_error(settings, key):
    settings.SECRET_KEY = key
    assert ids(checks.security.check_secret_key) == ["facet.E002"]


def test_the_key_that_facet_makes_is_strong(settings):
    settings.SECRET_KEY = data_folder.load_secret_key(settings.DATA_DIR)
    assert ids(checks.security.check_secret_key) == []


def test_a_key_file_that_others_can_read_is_told(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    path = tmp_path / "secret_key"
    path.write_text("key")
    path.chmod(0o644)
    assert ids(checks.security.check_secret_key_file) == ["facet.W003"]
    path.chmod(0o600)
    assert ids(checks.security.check_secret_key_file) == []


def test_debug_mode_is_for_this_machine_only(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["localhost", "facet.example.org"]
    assert ids(checks.security.check_debug) == ["facet.E004"]
    settings.ALLOWED_HOSTS = ["localhost", "[::1]"]
    assert ids(checks.security.check_debug) == []


def test_unknown_choices_are_errors(settings):
    settings.FACET_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = "maybe", "always"
    settings.LOG_LEVEL, settings.LOG_FORMAT, settings.RUNTIME = "loud", "sung", "abacus"
    assert ids(checks.values.check_choices) == ["facet.E005", "facet.E006", "facet.E022", "facet.E048", "facet.E023"]
    assert ids(checks.worker.check_model_folder) == []


def test_a_model_folder_without_its_files_is_an_error(settings, tmp_path):
    settings.MODEL_DIR = str(tmp_path)
    (tmp_path / card.CARD_FILE).touch()
    assert ids(checks.worker.check_model_folder) == ["facet.E007"]
    (tmp_path / card.WEIGHTS_FILE).touch()
    assert ids(checks.worker.check_model_folder) == []


@pytest.mark.parametrize(
    ("runtime", "weights", "found"),
    [
        ("", card.ONNX_FILE, []),
        ("onnx", card.ONNX_FILE, []),
        ("onnx", card.WEIGHTS_FILE, ["facet.E007"]),
        ("torch", card.ONNX_FILE, ["facet.E007"]),
        ("torch", card.WEIGHTS_FILE, []),
    ],
)
def test_a_model_folder_must_hold_what_the_runtime_reads(settings, tmp_path, runtime, weights, found):
    settings.MODEL_DIR, settings.RUNTIME = str(tmp_path), runtime
    for name in (card.CARD_FILE, weights):
        (tmp_path / name).touch()
    assert ids(checks.worker.check_model_folder) == found


def test_the_model_that_comes_with_facet_is_not_exported(settings):
    settings.MODEL_DIR, settings.RUNTIME = "", "onnx"
    assert ids(checks.worker.check_model_folder) == ["facet.E024"]
    for runtime in ("", "torch"):
        settings.RUNTIME = runtime
        assert ids(checks.worker.check_model_folder) == []


def test_the_names_of_model_files_are_those_of_ml():
    assert card.CARD_FILE == checks.worker.MODEL_CARD_FILE
    assert checks.worker.WEIGHTS_FILES[""] == (card.WEIGHTS_FILE, card.ONNX_FILE)
    assert set(checks.worker.RUNTIMES) == {"", *RUNTIMES}


@pytest.mark.parametrize(
    ("device", "runtime", "pipeline", "found"),
    [
        ("", "", "ml.pipeline.FacePipeline", []),
        ("cuda:1", "torch", "ml.pipeline.FacePipeline", []),
        ("gpu", "", "ml.pipeline.FacePipeline", ["facet.E025"]),
        ("cuda", "onnx", "ml.pipeline.FacePipeline", ["facet.W026"]),
        ("cpu", "onnx", "ml.no_such_module.FacePipeline", ["facet.E027"]),
        ("cpu", "", "no.such.Thing", ["facet.E027"]),
        ("cpu", "", "FacePipeline", ["facet.E027"]),
        ("cpu", "", "", ["facet.E027"]),
    ],
)
def test_a_worker_that_could_not_start_is_told_why(settings, device, runtime, pipeline, found):
    settings.DEVICE, settings.RUNTIME, settings.PIPELINE = device, runtime, pipeline
    assert ids(checks.worker.check_worker) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", []),
        ("redis://127.0.0.1:6379/0", []),
        ("rediss://:secret@cache.example.org", []),
        ("redis:6379", ["facet.E028"]),
        ("redis://host:port/0", ["facet.E028"]),
        ("redis://host/name", ["facet.E028"]),
        ("http://host", ["facet.E028"]),
    ],
)
def test_the_address_of_redis_must_be_one(settings, url, found):
    settings.REDIS_URL = url
    assert ids(checks.worker.check_redis_address) == found
    if found:
        assert ids(checks.worker.check_redis) == []
        assert "secret" not in str(list(checks.worker.check_redis_address(None)))


@pytest.mark.parametrize(
    ("lease", "sweep", "found"), [(60, 5, []), (2, 0.5, []), (0, 5, ["facet.E008"]), (10, 30, ["facet.W009"])]
)
def test_lease_and_sweep_must_fit_together(settings, lease, sweep, found):
    settings.LEASE_SECONDS, settings.SWEEP_SECONDS = lease, sweep
    assert ids(checks.worker.check_queue_times) == found


def test_redis_must_not_hand_messages_on_before_the_lease_ends(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:6379/0"
    assert ids(checks.worker.check_queue_times) == []
    short = {"broker_transport_options": {"visibility_timeout": settings.LEASE_SECONDS}}
    monkeypatch.setattr(checks.worker, "broker_settings", lambda: short)
    assert ids(checks.worker.check_queue_times) == ["facet.E010"]


def test_photos_must_not_lie_among_static_files(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "data"
    settings.STATIC_ROOT = str(tmp_path / "static")
    settings.MEDIA_ROOT = tmp_path / "static" / "media"
    assert ids(checks.security.check_private_files) == ["facet.E011"]


def test_limits_that_let_nothing_through_are_errors(settings):
    settings.MAX_FILES_PER_REQUEST = 0
    settings.MAX_FILE_BYTES, settings.MAX_REQUEST_BYTES = 20, 10
    assert ids(checks.values.check_upload_limits) == ["facet.E012", "facet.W013"]


def test_room_and_days_are_not_less_than_nothing(settings):
    assert ids(checks.values.check_keeping) == []
    settings.RESERVE_BYTES, settings.KEEP_UPLOADS_DAYS = -1, -1
    assert ids(checks.values.check_keeping) == ["facet.E044"] * 2


def test_counts_of_nothing_and_ports_that_do_not_exist_are_errors(settings):
    settings.BATCH_PHOTOS, settings.PORT = 0, 99_999
    assert ids(checks.values.check_counts) == ["facet.E018", "facet.E019"]


def test_a_mail_cannot_be_sent_in_no_time(settings):
    settings.EMAIL_TIMEOUT = 0
    assert ids(checks.values.check_counts) == ["facet.E018"]


def test_photos_larger_than_the_decoders_can_take_are_not_promised(settings):
    settings.MAX_PIXELS = 60_000_000
    assert ids(checks.values.check_counts) == ["facet.E021"]


def test_rates_that_cannot_be_read_are_errors(settings):
    settings.UPLOAD_RATE = "plenty"
    assert ids(checks.values.check_rates) == ["facet.E020"]
    settings.UPLOAD_RATE = "off"
    assert ids(checks.values.check_rates) == []


@pytest.mark.parametrize(("name", "value"), [("FACET_MAX_FILE_MB", "many"), ("FACET_DATA", __file__)])
def test_a_setting_that_cannot_be_read_is_named_in_a_line(tmp_path, name, value):
    result = run_check(tmp_path, **{name: value})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Facet cannot start: ")
    assert name in line


def test_settings_that_mean_nothing_are_findings_and_no_traceback(tmp_path):
    wrong = {"FACET_LOG_LEVEL": "loud", "REDIS_URL": "redis", "FACET_PIPELINE": "no.such.Thing"}
    result = run_check(tmp_path, **PRODUCTION | wrong)
    assert result.returncode == 1
    assert all(name in result.stderr for name in wrong)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgress://facet:secret@db/facet",
        "postgres://facet:sec/ret@db/facet",
        "postgres://facet:secret@db:5432",
        "mysql://facet:secret@db/facet",
        "facet",
    ],
)
def test_a_database_that_facet_cannot_use_is_named_without_its_password(monkeypatch, recwarn, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL") as told:
        NamingEnv().database("DATABASE_URL", default="sqlite:///facet.sqlite3")
    assert "sec" not in str(told.value)
    assert not recwarn.list


@pytest.mark.parametrize("url", ["smpt://mail.example.org", "smtp://mail.example.org:port"])
def test_a_mail_server_that_cannot_be_read_is_named(monkeypatch, url):
    monkeypatch.setenv("EMAIL_URL", url)
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        NamingEnv().mail("EMAIL_URL", default="consolemail://")


def test_an_address_left_empty_is_the_default(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("EMAIL_URL", "")
    assert NamingEnv().database("DATABASE_URL", default="sqlite:///facet.sqlite3")["NAME"] == "facet.sqlite3"
    assert NamingEnv().mail("EMAIL_URL", default="consolemail://")["EMAIL_BACKEND"].endswith("console.EmailBackend")


@pytest.mark.parametrize(
    ("url", "hosts", "found"),
    [
        ("https://facet.example.org", ["facet.example.org"], []),
        ("https://facet.example.org:8443", [".example.org"], []),
        ("http://[::1]:8000", ["[::1]"], []),
        ("https://facet.example.org", ["localhost"], ["facet.W014"]),
        ("https://facet.example.org", ["*"], ["facet.W015"]),
    ],
)
def test_the_sites_address_must_be_allowed(settings, url, hosts, found):
    settings.SITE_URL, settings.ALLOWED_HOSTS = url, hosts
    assert ids(checks.security.check_site_address) == found


@pytest.mark.parametrize(
    ("proxies", "believed", "found"),
    [
        ([], False, []),
        (["127.0.0.1", "10.0.0.0/8", "::1"], True, []),
        ([], True, ["facet.W042"]),
        (["nginx"], True, ["facet.E041"]),
        (["0.0.0.0/0"], True, ["facet.W043"]),
    ],
)
def test_proxies_are_named_by_address_and_only_themselves(settings, proxies, believed, found):
    settings.TRUSTED_PROXIES, settings.TRUST_PROXY = proxies, believed
    assert ids(checks.security.check_trusted_proxies) + ids(checks.security.check_visitors_addresses) == found


def test_mails_that_go_nowhere_are_mentioned(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert ids(checks.security.check_mail) == ["facet.I016"]


@pytest.mark.parametrize(("policy", "found"), [("noeviction", []), ("allkeys-lru", ["facet.W017"])])
def test_a_redis_that_forgets_is_told(settings, monkeypatch, policy, found):
    settings.REDIS_URL = "redis://127.0.0.1:6379/0"
    monkeypatch.setattr(redis.Redis, "config_get", lambda self, name: {name: policy})
    assert ids(checks.worker.check_redis) == found


def test_a_redis_out_of_reach_is_no_finding(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert ids(checks.worker.check_redis) == []
