"""How the environment is read: what is left empty, spaces in lists, words that are neither yes nor no."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from webapp.environment import NamingEnv

ROOT = Path(__file__).resolve().parents[2]
TELL = """
import json
from pathlib import Path
from webapp import settings
tell = lambda value: str(value) if isinstance(value, Path) else type(value).__name__  # lazy ones need an app registry
told = {name: value for name, value in vars(settings).items() if name.isupper() and name != "ENV"}
print(json.dumps(told, default=tell, sort_keys=True))
"""
VARIABLES = re.findall(r"\benv(?:\.\w+)?\(\s*\"(\w+)\"", (ROOT / "webapp/settings.py").read_text())


def read_settings(folder: Path, **environment: str) -> dict[str, object]:
    """The settings as a process with this environment has them; FACET_DATA stays the same folder."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", TELL],
        cwd=ROOT,
        env=clean | {"FACET_DATA": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_variable_left_empty_is_one_left_out(tmp_path):
    """So every hint that says so is right, also of those that are numbers, lists, and yes or no."""
    assert len(VARIABLES) >= 40
    empty = dict.fromkeys(VARIABLES, "") | {"FACET_DATA": str(tmp_path)}
    assert read_settings(tmp_path, **empty) == read_settings(tmp_path)


def test_an_empty_word_does_not_switch_tls_off(tmp_path):
    found = read_settings(tmp_path, FACET_URL="https://facet.example.org", FACET_TLS="")
    assert found["BEHIND_TLS"] is True
    assert found["SESSION_COOKIE_SECURE"] is True


def test_other_names_of_the_domain_are_bound_only_when_asked(tmp_path):
    tls = {"FACET_URL": "https://facet.example.org"}
    found = read_settings(tmp_path, **tls)
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert (found["SECURE_HSTS_INCLUDE_SUBDOMAINS"], found["SECURE_HSTS_PRELOAD"]) == (False, False)
    found = read_settings(tmp_path, **tls, FACET_HSTS_PRELOAD="yes")
    assert (found["SECURE_HSTS_INCLUDE_SUBDOMAINS"], found["SECURE_HSTS_PRELOAD"]) == (True, True)


def test_naming_proxies_is_enough_to_believe_their_scheme(tmp_path):
    found = read_settings(tmp_path, FACET_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8")
    assert found["TRUSTED_PROXIES"] == ["127.0.0.1", "10.0.0.0/8"]
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert "SECURE_PROXY_SSL_HEADER" not in read_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"), [("a.org, www.a.org", ["a.org", "www.a.org"]), (" a.org ,,", ["a.org"]), (" ", ["b"])]
)
def test_spaces_are_no_part_of_a_list(monkeypatch, text, found):
    monkeypatch.setenv("FACET_HOSTS", text)
    assert NamingEnv().list("FACET_HOSTS", default=["b"]) == found


@pytest.mark.parametrize(
    ("word", "found"), [("TRUE", True), ("1", True), ("on", True), (" off ", False), ("0", False), ("No", False)]
)
def test_yes_and_no_have_several_words(monkeypatch, word, found):
    monkeypatch.setenv("FACET_TLS", word)
    assert NamingEnv().bool("FACET_TLS", default=not found) is found


@pytest.mark.parametrize("word", ["ture", "enabled", "2", "-"])
def test_a_word_that_is_neither_is_an_error_and_not_no(monkeypatch, word):
    monkeypatch.setenv("FACET_TLS", word)
    with pytest.raises(ImproperlyConfigured, match="FACET_TLS"):
        NamingEnv().bool("FACET_TLS", default=True)


def test_every_list_and_every_yes_or_no_is_read_in_this_way():
    """A value read as a bare text, and split or compared afterwards, would keep its spaces again."""
    text = (ROOT / "webapp/settings.py").read_text()
    assert not re.findall(r'env(?:\.str)?\("\w+"[^)]*\)\.split|env\.(?:tuple|json|dict)\(', text)
    assert text.count("env.list(") >= 3
    assert text.count("env.bool(") >= 4
