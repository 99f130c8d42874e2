"""The API's page works under the site's CSP and asks no other host for anything."""

import pytest

from tests.project.test_urls import TABLE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_it_lists_and_opens_every_address_from_this_site_alone(live_server, page, db):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(live_server.url + "/api/v1/docs/")
    page.wait_for_selector(".opblock")
    undocumented = ("api-schema", "api-docs", "api-unknown")
    documented = [name for _, name in TABLE if name.startswith("api-") and name not in undocumented]
    assert page.locator(".opblock").count() == len(documented)
    page.click("#operations-photos-send_photos .opblock-summary-control")
    page.wait_for_selector("#operations-photos-send_photos .responses-table")
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []


def test_a_request_is_tried_with_the_session_of_whoever_is_logged_in(live_server, alices_page, collection):
    page = alices_page
    page.goto(live_server.url + "/api/v1/docs/")
    page.click("#operations-collections-list_collections .opblock-summary-control")
    page.click("#operations-collections-list_collections .try-out__btn")
    page.click("#operations-collections-list_collections .execute")
    answer = page.locator("#operations-collections-list_collections .live-responses-table .highlight-code").first
    answer.wait_for()
    assert "Front pages" in answer.inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_wears_the_theme(live_server, new_page, db, theme):
    page = new_page(color_scheme=theme)
    page.goto(live_server.url + "/api/v1/docs/")
    page.wait_for_selector(".opblock")
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is (theme == "dark")
