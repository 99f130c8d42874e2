"""Adding photos on the page: progress, outcomes, errors that lose nothing, and the way without a script."""

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from classifier.models import Photo
from classifier.services import analysis
from tests import pictures

pytestmark = pytest.mark.browser


@pytest.fixture
def files(tmp_path):
    """Three photos, the third black (nobody on it), and a file that is none."""
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(pictures.jpeg(seed=number))
    (tmp_path / "night.png").write_bytes(pictures.encode(pictures.Image.new("RGB", (64, 48)), "PNG"))
    (tmp_path / "notes.jpg").write_text("not a photo")
    return sorted(tmp_path.iterdir())


@pytest.fixture
def open_collection(live_server, alices_page, collection):
    alices_page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    return alices_page


def test_photos_are_chosen_sent_and_watched_until_they_are_done(open_collection, files):
    page = open_collection
    page.set_input_files("#id_images", files)
    page.locator("#sending-text", has_text="all sent · 3 added · 1 refused").wait_for()
    assert page.locator("#outcomes b").all_inner_texts() == ["notes.jpg"]
    assert "Facet reads JPEG" in page.inner_text("#outcomes")
    assert page.locator("#gallery .tile").count() == 3
    page.get_by_text("0 of 3").wait_for()
    top = page.locator(".tile").first.bounding_box()
    while analysis.run_once():
        pass
    page.locator("#progress progress").wait_for(state="detached")
    assert page.locator("#gallery .state-done").count() == 2
    assert page.locator("#gallery .state-no_face").count() == 1
    assert page.locator("#gallery a.face").count() == 2
    assert "3 photos = 3 done ( 1 without a face)" in " ".join(page.inner_text(".sums").split())
    moved = page.locator(".tile").first.bounding_box()
    assert (moved["x"], moved["width"], moved["height"]) == (top["x"], top["width"], top["height"])


def test_the_keyboard_reaches_the_file_chooser(open_collection):
    page = open_collection
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.locator(".crumb a").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "id_images"
    page.keyboard.press("Enter")
    for _ in range(100):
        if choosers:
            break
        page.wait_for_timeout(100)
    assert [chooser.is_multiple() for chooser in choosers] == [True]


def test_dropped_photos_are_sent(open_collection):
    page = open_collection
    page.evaluate(
        """async () => {
            const canvas = Object.assign(document.createElement("canvas"), { width: 80, height: 60 });
            canvas.getContext("2d").fillRect(0, 0, 40, 60);
            const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
            const transfer = new DataTransfer();
            transfer.items.add(new File([blob], "dropped.png"));
            transfer.items.add(new File(["x"], ".DS_Store"));
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(drop);
        }"""
    )
    page.locator("#sending-text", has_text="all sent · 1 added").wait_for()
    assert page.inner_text("#gallery .tile-name") == "dropped.png"


def test_a_request_that_fails_is_told_and_tried_again_without_choosing_anew(open_collection, files):
    page = open_collection
    page.route("**/upload/", lambda route: route.abort())
    page.set_input_files("#id_images", files[:2])
    page.get_by_text("Facet cannot be reached. 2 files are still here and not sent.").wait_for()
    assert page.evaluate("document.activeElement.id") == "sending-again"
    page.unroute("**/upload/")
    page.keyboard.press("Enter")
    page.locator("#sending-text", has_text="all sent · 2 added").wait_for()
    assert not page.locator("#sending-error").is_visible()


def test_a_full_queue_is_told_in_its_own_words(open_collection, files, settings):
    settings.MAX_PENDING_PHOTOS = 0
    open_collection.set_input_files("#id_images", files[:1])
    open_collection.get_by_text("Too many photos are waiting to be analysed.").wait_for()


def test_somebody_logged_out_in_between_is_told_and_can_log_in(open_collection, files):
    open_collection.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    open_collection.set_input_files("#id_images", files[:1])
    open_collection.get_by_text("You were logged out. 1 file is still here and not sent.").wait_for()
    with open_collection.expect_response("**/summary/*") as asked:  # as a page does that shows how far the worker is
        open_collection.evaluate("document.body.dispatchEvent(new Event('facet:uploaded'))")
    assert asked.value.status == 401
    assert open_collection.evaluate("document.title") == "Front pages · Facet"
    assert "/accounts/login/" in open_collection.locator("#sending-error a").get_attribute("href")
    assert not Photo.objects.exists()


def test_a_file_that_is_gone_when_its_turn_comes_is_named_and_the_rest_goes_on(open_collection, files):
    page = open_collection
    page.evaluate(
        """() => document.getElementById("upload").addEventListener("change", (event) => {
            for (const file of event.target.files) {
                if (file.name !== "2.jpg") continue;
                file.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) });
            }
        }, { capture: true })"""
    )
    page.route("**/upload/", lambda route: route.abort(), times=1)
    page.set_input_files("#id_images", files[:2])
    page.locator("#sending-text", has_text="all sent · 1 added · 1 not sent").wait_for()
    assert "2.jpg was not sent: it was moved or changed" in page.inner_text("#outcomes")


def test_a_file_that_is_too_large_is_named_and_never_sent(open_collection, files):
    files[0].write_bytes(b"x" * (21 * 1024**2))
    open_collection.set_input_files("#id_images", files[:2])
    open_collection.locator("#sending-text", has_text="all sent · 1 added · 1 not sent").wait_for()
    assert "1.jpg was not sent: 21 MB, and a photo may have 20 MB" in open_collection.inner_text("#outcomes")


def test_many_photos_go_in_several_requests(open_collection, tmp_path):
    for number in range(23):
        (tmp_path / f"{number}.png").write_bytes(pictures.encode(pictures.picture(16, 12, seed=number), "PNG"))
    requests = []
    open_collection.on("request", lambda request: requests.append(request) if "/upload/" in request.url else None)
    open_collection.set_input_files("#id_images", sorted(tmp_path.glob("*.png")))
    open_collection.locator("#sending-text", has_text="all sent · 23 added").wait_for(timeout=60_000)
    assert len(requests) == 2
    assert open_collection.locator("#gallery .tile").count() == 23


def test_requests_keep_to_what_the_site_takes_at_once(settings, live_server, alices_page, collection, tmp_path):
    settings.MAX_FILES_PER_REQUEST = 2
    settings.MAX_REQUEST_BYTES = 200_000
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(pictures.encode(pictures.picture(16, 12, seed=number), "PNG"))
    (tmp_path / "large.jpg").write_bytes(pictures.jpeg() + b"x" * 300_000)
    alices_page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    requests = []
    alices_page.on("request", lambda request: requests.append(request) if "/upload/" in request.url else None)
    alices_page.set_input_files("#id_images", sorted(tmp_path.iterdir()))
    alices_page.locator("#sending-text", has_text="all sent · 3 added · 1 not sent").wait_for()
    assert "large.jpg was not sent" in alices_page.inner_text("#outcomes")
    assert len(requests) == 2


def test_more_files_than_a_call_has_arguments_are_taken(open_collection):
    open_collection.route("**/upload/", lambda route: route.abort())
    open_collection.evaluate(
        """() => {
            const input = document.getElementById("id_images");
            // One and the same: a browser takes minutes to let so many go.
            const files = Array(130000).fill(new File(["x"], "0.jpg"));
            Object.defineProperty(input, "files", { value: files });
            input.dispatchEvent(new Event("change", { bubbles: true }));
        }"""
    )
    open_collection.get_by_text("130000 files are still here and not sent.").wait_for()


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_kept(open_collection):
    found = open_collection.evaluate(
        """async () => {
            const { filesOfDrop } = await import("/static/js/files.js");
            const fullPath = "/photos/a.jpg";
            const file = (name) => ({ name, fullPath, isFile: true, file: (done) => done({ name }) });
            const folder = (fullPath, batches) => ({
                name: fullPath.split("/").pop(),
                fullPath,
                createReader: () => ({
                    readEntries: (done, fail) => (batches ? done(batches.shift() ?? []) : fail(new Error("no"))),
                }),
            });
            const dropped = folder("/photos", [[file("a.jpg"), folder("/photos/locked", null)], [file("b.jpg")]]);
            const unreadable = [];
            const files = await filesOfDrop({ items: [{ webkitGetAsEntry: () => dropped }], files: [] }, unreadable);
            return [files.map(({ name }) => name), unreadable];
        }"""
    )
    assert found == [["a.jpg", "b.jpg"], ["photos/locked/"]]


def test_a_drop_of_nothing_but_an_unreadable_folder_is_told(open_collection):
    open_collection.evaluate(
        """() => {
            const reader = { readEntries: (done, fail) => fail(new Error("no")) };
            const locked = { name: "locked", fullPath: "/locked", createReader: () => reader };
            const transfer = { types: ["Files"], items: [{ webkitGetAsEntry: () => locked }], files: [] };
            document.dispatchEvent(Object.assign(new Event("drop"), { dataTransfer: transfer }));
        }"""
    )
    open_collection.get_by_text("locked/ was not sent: it cannot be read.").wait_for()
    assert "1 not sent" in open_collection.inner_text("#sending-text")


def test_an_error_that_no_log_in_helps_against_offers_none(open_collection, files):
    open_collection.route("**/upload/", lambda route: route.abort())
    open_collection.set_input_files("#id_images", files[:1])
    open_collection.get_by_text("Facet cannot be reached.").wait_for()
    assert open_collection.locator("#sending-error a").count() == 0


def test_without_a_script_the_plain_form_works(live_server, new_page, log_in, alice, collection, files):
    page = log_in(new_page(java_script_enabled=False), alice)
    page.goto(live_server.url + reverse("collection-detail", args=[collection.uid]))
    inputs = [field.get_attribute("id") for field in page.locator("main input[type=file]").all() if field.is_visible()]
    assert inputs == ["id_images"]  # what is put into another one would be dropped
    assert not page.get_by_text("Delete selected").is_visible()
    page.set_input_files("#id_images", files)
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url("**/uploads/*/")
    assert "4 files = 3 added + 0 already here + 1 refused" in " ".join(page.inner_text(".sums").split())
