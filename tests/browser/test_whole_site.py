"""The main job with nothing faked: sign up, drop a photo, see the face; the same through the API with a token."""

import json

import pytest

from tests import pictures
from tests.site import running_site, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Where the astronaut's face lies, in pixels of the 512 x 512 photo: left, top, right, bottom of a generous frame.
FACE_LIES_WITHIN = (150, 50, 300, 220)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("site"), FACET_LOG_FORMAT="json") as running:
        yield running


def submit(page, form="main form"):
    page.locator(f"{form} button[type=submit]").first.click()


def test_a_newcomer_signs_up_drops_a_photo_and_finds_the_face(site, page, tmp_path):
    photo = tmp_path / "astronaut.jpg"
    pictures.astronaut().save(photo, quality=95)

    page.goto(f"{site.url}/accounts/signup/")
    page.fill("[name=username]", "nina")
    page.fill("[name=email]", "nina@example.org")
    page.fill("[name=password1]", "correct horse battery")
    page.fill("[name=password2]", "correct horse battery")
    page.check("[name=terms]")
    submit(page)
    page.wait_for_url(f"{site.url}/")

    page.goto(f"{site.url}/collections/new/")
    page.fill("[name=name]", "Portraits")
    page.fill("[name=purpose]", "a first look")
    page.check("[name=declaration]")
    submit(page)
    page.wait_for_url(f"{site.url}/collections/*/")

    page.set_input_files("input[name=images]", photo)
    found = page.locator("a[href*='/photos/']").first
    found.wait_for(timeout=60_000)
    page.wait_for_function("document.body.innerText.includes('astronaut.jpg')")
    href = found.get_attribute("href")
    page.wait_for_timeout(3000)
    page.goto(site.url + href)
    text = page.inner_text("main").lower()
    assert "face 1 of 1" in text
    assert "perceived" in text
    assert page.locator("svg rect").count() >= 1


def test_a_developer_sends_the_same_photo_with_a_token_and_reads_the_face_back(site):
    site.make_user("dora")
    content = pictures.encode(pictures.astronaut(), "JPEG", quality=95)
    answer = site.upload([("astronaut.jpg", content), ("notes.jpg", b"not a picture")], query="?wait=30")
    accepted, refused = answer["items"]
    assert (accepted["outcome"], refused["outcome"]) == ("accepted", "unsupported")
    photo = accepted["photo"]
    assert (photo["state"], photo["code"], len(photo["faces"])) == ("done", "", 1)
    box = photo["faces"][0]["box"]
    left, top, right, bottom = FACE_LIES_WITHIN
    assert left < box["x1"] < box["x2"] < right
    assert top < box["y1"] < box["y2"] < bottom
    assert set(photo["faces"][0]["predictions"]) == {"race", "gender", "age"}
    assert site.get(f"/api/v1/photos/{photo['uid']}/")["faces"] == photo["faces"]


def test_the_log_follows_a_photo_from_request_to_task_without_a_name(site):
    def told() -> list[dict]:
        return [json.loads(line) for line in site.log.read_text().splitlines() if line.startswith("{")]

    def find_task() -> list[dict]:
        """Of the worker that a request of photos woke."""
        sent = {line["request_id"] for line in told() if line.get("route") == "/api/v1/photos/"}
        done = [line for line in told() if line["message"] == "task_succeeded"]
        return [line for line in done if line.get("request_id") in sent]

    site.make_user("ingrid")
    content = pictures.encode(pictures.astronaut(), "JPEG", quality=93)
    photo = site.upload([("Ingrid Holm.jpg", content)], query="?wait=30")["items"][0]["photo"]
    site.get(f"/api/v1/photos/{photo['uid']}/?name=Holm")
    (task, *_) = wait_for(find_task, seconds=30, what="no task names the request that sent it")
    assert (task["task"], task["duration_ms"] >= 0) == ("classifier.tasks.analyze", True)
    read = [line for line in told() if line.get("uid") == photo["uid"]]
    assert (read[-1]["route"], read[-1]["status"]) == ("/api/v1/photos/<uuid:uid>/", 200)
    words = ("ingrid", "holm", *photo["faces"][0]["predictions"]["race"]["label"].lower().split()[:1])
    assert [word for word in words if word in site.log.read_text().lower()] == []
