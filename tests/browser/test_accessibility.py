"""axe on every page that anybody can open, wide and on a phone, in both themes; and no page wider than its window.

The pages come from the table of addresses: a new one is looked at as soon as it has its row.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from tests import factories
from tests.admin.conftest import instance  # noqa: F401 - a fixture
from tests.browser import axe
from tests.conftest import logged_in
from tests.project.test_urls import ROUTES, TABLE, address, admin_addresses, rows  # noqa: F401 - rows is a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Templates of Django's own that show nothing of a model: one of each is looked at.
SAME_FOR_ALL_MODELS = ("history", "delete")


@pytest.fixture
def walk(live_server, new_page, log_in):
    """Goes through addresses as somebody: axe may say nothing against any that answers with a page."""

    def go(who: Any, places: Iterable[str], **options: Any) -> None:
        client = logged_in(who) if who else Client()
        page = log_in(new_page(), who) if who else new_page()
        faults = []
        for place in places:
            if is_page(client.get(place)):
                page.goto(live_server.url + place)
                faults += axe.find_faults(page, name=place, **options)
        assert not faults, "\n".join(faults)

    return go


def is_page(answer: Any) -> bool:
    """Whether it is a whole page, which is not kept in pieces nor somewhere else."""
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    return answer.status_code in (200, 404) and is_html and b"<!doctype html" in answer.content[:100].lower()


def places_in_table(who: str, rows: Any, *, but: Iterable[str] = ()) -> list[str]:  # noqa: F811
    """The addresses that somebody may read, but for those of some names."""
    names = [name for (method, name), statuses in TABLE.items() if method == "GET" and statuses[who] == 200]
    return [address(name, rows) for name in names if name not in {"api-docs", *but}]


def names_of(places: Iterable[str]) -> list[str | None]:
    return [resolve(place.partition("?")[0]).url_name for place in places]


def test_no_page_of_an_owner_is_hard_to_use(walk, alice, page_addresses, token, rows):  # noqa: F811
    others = places_in_table("owner", rows, but=names_of(page_addresses))
    walk(alice, page_addresses)
    walk(alice, others, variants=axe.BOTH_THEMES)


def test_no_page_with_nothing_on_it_yet_is_hard_to_use(walk, bob):
    empty = factories.CollectionFactory(owner=bob)
    of_collection = [f"/collections/{empty.uid}/{page}" for page in ("", "edit/", "report/", "reports/")]
    walk(bob, ["/", *of_collection, "/account/tokens/", "/models/"], variants=axe.BOTH_THEMES)


def test_no_page_for_reviewers_is_hard_to_use(walk, rita, rows):  # noqa: F811
    same_for_all = [name for name in ROUTES if "<uuid" not in ROUTES[name]]
    walk(rita, places_in_table("reviewer", rows, but=same_for_all), variants=axe.BOTH_THEMES)


def test_no_page_for_everybody_is_hard_to_use(walk, open_addresses, rows):  # noqa: F811
    known = names_of(place for place in open_addresses if not place.startswith("/no/"))
    others = places_in_table("anonymous", rows, but=known)
    walk(None, [*open_addresses, *others], variants=axe.BOTH_THEMES)


def test_no_page_of_the_administration_is_hard_to_use(walk, adam, rows, instance):  # noqa: F811
    places = {}
    for place in admin_addresses(rows):
        what = place.strip("/").rpartition("/")[2]
        places.setdefault(what if what in SAME_FOR_ALL_MODELS else place, place)
    walk(adam, ["/", *places.values()], variants=axe.BOTH_THEMES)


@pytest.mark.parametrize("is_tried", [False, True])
def test_the_page_of_the_api_is_not_hard_to_use(live_server, new_page, log_in, alice, collection, is_tried):
    page = log_in(new_page(), alice)
    page.goto(live_server.url + "/api/v1/docs/")
    page.wait_for_selector(".opblock")
    if is_tried:
        operation = "#operations-collections-list_collections"
        page.click(f"{operation} .opblock-summary-control")
        page.click(f"{operation} .try-out__btn")
        page.click(f"{operation} .execute")
        page.locator(f"{operation} .live-responses-table .highlight-code").first.wait_for()
    faults = axe.find_faults(page, name="API")
    assert not faults, "\n".join(faults)
