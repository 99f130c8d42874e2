"""Who may import whom, as pyproject.toml says it, and what the web process loads."""

import os
import subprocess
import sys
from pathlib import Path

from classifier.management.commands.run import WORKER_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]

LOAD_THE_SITE = """
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

locked = set(re.findall(r"^([a-z0-9.-]+)==", Path("requirements/web.lock").read_text(), re.MULTILINE))
owners = {name: {of.lower().replace("_", "-") for of in found} for name, found in packages_distributions().items()}
for name, found in owners.items():
    if not found & {*locked, "facet", "setuptools"}:
        sys.modules[name] = None  # as if it were not installed

import webapp.wsgi
from django.contrib import admin
from django.urls import get_resolver


def load(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            load(pattern.url_patterns)
        else:
            pattern.callback  # what a view's module imports is loaded by now


load(get_resolver().url_patterns)
admin.autodiscover()
assert admin.site.is_registered(__import__("classifier.models").models.Photo)
print(*(name for name in ("torch", "ml.pipeline") if sys.modules.get(name)))
"""


LOAD_A_WORKER = """
import sys
from webapp.celery import app

app.loader.import_default_modules()
telling = {"classifier.services.analysis", "classifier.urls", "classifier.api", "drf_spectacular.views"}
print(sorted(telling & set(sys.modules)))
"""


def run(*command, **environment):
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def test_nobody_imports_upwards():
    linter = Path(sys.executable).with_name("lint-imports")
    result = run(linter, "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


def test_the_web_process_needs_what_its_image_has_and_never_the_model():
    """Every view and the admin are imported while whatever only workers and trainers install is hidden."""
    result = run(sys.executable, "-c", LOAD_THE_SITE)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_a_worker_never_loads_the_api():
    result = run(sys.executable, "-c", LOAD_A_WORKER, **WORKER_ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "['classifier.services.analysis']"
