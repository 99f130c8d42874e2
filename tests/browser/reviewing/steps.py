"""What a reviewer does in a browser, and what is waited for until the page or the server has done it."""

import time

from django.urls import reverse

from classifier.models import Draw, Review
from tests.browser import axe

ALL = {"race": "White", "gender": "Female", "age": "30-39"}
PATIENCE_S = 15


def check(page) -> None:
    """Nothing is hard to use in the state that the page is in, nor wider than its window."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.axe_playwright.Axe().axe_script)
    assert page.evaluate(axe.RUN, {}) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def begin(page, root: str, draw: Draw) -> None:
    page.goto(root + reverse("draw-review", args=[draw.uid]))
    ready(page)


def ready(page) -> None:
    """The face stands in its frame: only then it can be answered about."""
    page.wait_for_selector(".review-form:visible .review-picture:not(.is-loading)")


def press(page, keys: str) -> None:
    ready(page)
    for key in keys:
        page.keyboard.press(key)


def shown(page) -> str:
    return page.input_value("input[name=face]")


def count(page, words: str) -> None:
    page.wait_for_function("words => document.getElementById('review-count').textContent === words", arg=words)


def saved(page, words: str = "all saved") -> None:
    page.wait_for_function("words => document.querySelector('#review-saved span').textContent === words", arg=words)


def wait_for(wanted, value) -> None:
    """Until the server, in its own thread, has stored what is wanted."""
    until = time.monotonic() + PATIENCE_S
    while wanted() != value and time.monotonic() < until:
        time.sleep(0.05)
    assert wanted() == value


def told(draw: Draw, **values):
    return Review.objects.told().filter(draw=draw, **values)
