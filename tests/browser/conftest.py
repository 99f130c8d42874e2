"""A Chromium that drives the pages; the pipeline behind them is faked and run by the test itself."""

import os
import shutil
from collections.abc import Iterator

import pytest

# Playwright's loop lives in this thread, which Django would take for asynchronous code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

from tests.web.conftest import (  # noqa: F401 - the same people, photos and addresses
    evidence,
    few_resamples,
    gallery,
    open_addresses,
    page_addresses,
    photo,
    portraits,
    quick_passwords,
    token,
    upload,
)

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000  # a page may wait for a disk or a core that others keep busy
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> Iterator:
    path = os.environ.get("FACET_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium: apt-get install chromium")
        pytest.skip("needs Chromium on the path or FACET_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser) -> Iterator:
    """Opens pages of fresh browser profiles; at the end no page may have met an error of a script or of the CSP."""
    contexts, errors = [], []

    def note(message):
        if "Content Security" in message.text or "returned no matches" in message.text:
            errors.append(f"{message.text} {message.location} on {message.page.url}")

    def make(**options):
        context = browser.new_context(viewport=options.pop("viewport", WIDE), **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", note)
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(new_page):
    return new_page()


@pytest.fixture
def log_in(live_server):
    """Put somebody's session into a page's browser."""
    from tests.conftest import logged_in

    def log(page, user):
        cookie = logged_in(user).cookies["sessionid"]
        page.context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
        return page

    return log


@pytest.fixture
def alices_page(page, log_in, alice):
    return log_in(page, alice)
