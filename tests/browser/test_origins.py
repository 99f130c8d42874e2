"""A folder with subfolders and a table of tags: chosen, sent, shown, and filtered by."""

import pytest
from django.urls import reverse

from tests import pictures

pytestmark = pytest.mark.browser

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")


def test_a_folder_and_a_table_come_in_and_the_gallery_is_filtered_by_them(
    live_server, alices_page, collection, tmp_path
):
    for number, folder in enumerate(("1999/May", "1999/June", "2000")):
        (tmp_path / "scans" / folder).mkdir(parents=True)
        (tmp_path / "scans" / folder / f"{number}.jpg").write_bytes(pictures.jpeg(seed=number))
    page = alices_page
    gallery = live_server.url + reverse("collection-detail", args=[collection.uid])
    page.goto(gallery)
    page.set_input_files("#folder", tmp_path / "scans")
    page.locator("#sending-text", has_text="all sent · 3 added").wait_for()
    assert dict(collection.photos.values_list("name", "folder")) == {
        "0.jpg": "scans/1999/May",
        "1.jpg": "scans/1999/June",
        "2.jpg": "scans/2000",
    }
    assert page.locator(".tile-name", has_text="0.jpg").get_attribute("title") == "scans/1999/May/0.jpg"

    page.goto(live_server.url + reverse("tag-list", args=[collection.uid]))
    (tmp_path / "tags.csv").write_text("file;paper\n0.jpg;Post\n2000/2.jpg;News\n7.jpg;News\n2.jpg;Post\n")
    page.set_input_files("#id_table", tmp_path / "tags.csv")
    page.get_by_role("button", name="Add", exact=True).click()
    told = page.get_by_role("status", name="1 photo tagged from 4 lines")
    lines = [" ".join(line.split()) for line in told.get_by_role("listitem").all_inner_texts()]
    assert lines == ["line 4 7.jpg", "line 5 2.jpg: paper: “News” and “Post”"]
    assert axe_playwright.Axe().run(page).response["violations"] == []

    for asked, names in (("folder=scans/1999", ["1.jpg", "0.jpg"]), ("tag:paper=Post", ["0.jpg"])):
        page.goto(f"{gallery}?{asked}")
        assert page.locator(".tile-name").all_inner_texts() == names
    page.locator(".tile .mat > a").click()
    facts = page.locator(".about-photo .facts")
    facts.wait_for()
    assert "scans/1999/May" in facts.inner_text()
    assert "Post" in facts.inner_text()
