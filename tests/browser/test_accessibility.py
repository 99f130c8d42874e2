"""axe on every page, wide and on a phone, in both themes; and no page wider than its window."""

import pytest

from tests.browser.conftest import PHONE, WIDE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

THEMES_AND_WIDTHS = [("light", WIDE), ("dark", PHONE), ("dark", WIDE), ("light", PHONE)]


def findings(page, addresses, root) -> list[str]:
    """What axe says against each page, and pages that scroll sideways."""
    found = []
    for address in addresses:
        page.goto(root + address)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            found.append(f"{address}: {wider} px too wide")
        for violation in axe_playwright.Axe().run(page).response["violations"]:
            places = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
            found.append(f"{address}: {violation['id']}: {violation['help']}: {places}")
    return found


@pytest.mark.parametrize(("theme", "viewport"), THEMES_AND_WIDTHS)
def test_no_page_of_alices_is_hard_to_use(live_server, new_page, log_in, alice, page_addresses, token, theme, viewport):
    page = log_in(new_page(color_scheme=theme, viewport=viewport), alice)
    assert findings(page, [a for a in page_addresses if "/progress/" not in a], live_server.url) == []


@pytest.mark.parametrize(("theme", "viewport"), THEMES_AND_WIDTHS[:2])
def test_no_page_for_everybody_is_hard_to_use(live_server, new_page, db, open_addresses, theme, viewport):
    page = new_page(color_scheme=theme, viewport=viewport)
    assert findings(page, open_addresses, live_server.url) == []
