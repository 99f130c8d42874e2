"""axe over one loaded page in every theme and width, and whatever scrolls sideways: a page is loaded once for all."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.browser.conftest import PHONE, WIDE

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

# What a theme or a width can spoil; the rest of the rules read the document, which is the same in all of them.
SEEN_RULES = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
MOST_TOLD = 40  # elements with a fault
VARIANTS = (("light", WIDE), ("dark", WIDE), ("dark", PHONE), ("light", PHONE))
BOTH_THEMES = (("light", WIDE), ("dark", PHONE))
RUN = """async ({only, within}) => {
    // Scripts hear of a new theme with the next frame, and dress what they drew after it.
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    for (const animation of document.getAnimations()) {
        // Colours on their way from one theme to the other are nobody's.
        if (animation instanceof CSSTransition) animation.finish();
    }
    // Preloading writes style sheets anew, which the site's CSP forbids; no rule here needs it.
    const options = {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}, preload: false};
    if (only) options.runOnly = {type: "rule", values: only};
    const {violations} = await axe.run(within || document, options);
    return violations.map(({id, help, nodes}) => [id, help, nodes.map((node) => node.html.slice(0, 160))]);
}"""
OPEN = """() => {
    const closed = document.querySelectorAll("main details:not([open], .menu)");
    for (const details of closed) details.open = true;
    return closed.length;
}"""
# Menus lie over what is below them: one at a time.
WIDTHS = """() => {
    const wider = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const found = [wider()];
    for (const menu of document.querySelectorAll("details.menu")) {
        menu.open = true;
        found.push(wider());
        menu.open = false;
    }
    return Math.max(...found);
}"""


def find_faults(page: Any, *, name: str, variants: Sequence[tuple[str, Any]] = VARIANTS) -> list[str]:
    """What is wrong with the page as it stands, and with all that opens in it open; how wide it gets with a menu open.

    Each fault is told with `name` and the variant it was seen in.
    """
    _load(page)
    faults = []
    for number, (theme, viewport) in enumerate(variants):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size(viewport)
        is_changed = number == 1 and page.evaluate(OPEN)
        where = f"{name}, {theme}, {viewport['width']} px"
        wider = page.evaluate(WIDTHS)
        if wider > 0:
            faults.append(f"{where}: {wider} px too wide")
        for rule, told, nodes in page.evaluate(RUN, {"only": SEEN_RULES if number and not is_changed else None}):
            faults.append(f"{where}: {rule}: {told}: {len(nodes)}: {'; '.join(nodes[:MOST_TOLD])}")
    return faults


def list_violations(page: Any, *, within: str = "") -> list[str]:
    """What every rule says of the page as it stands, but that of sizes: an open menu covers targets below it.

    `within` is the part (a selector) that has changed since the rest of a long page was looked at.
    """
    _load(page)
    found = page.evaluate(RUN, {"within": within})
    return [f"{rule}: {'; '.join(nodes[:MOST_TOLD])}" for rule, _, nodes in found if rule != "target-size"]


def _load(page: Any) -> None:
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_playwright.Axe().axe_script)
