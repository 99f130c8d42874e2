"""Aggregate-only collections on the pages and by the API: chosen once, told everywhere, and nothing beside sums."""

import pytest
from django.urls import reverse

from classifier.models import Collection, KeptReport, Photo, State
from classifier.services import analysis, collections, tokens
from tests import factories
from tests.services.submissions import sent
from tests.sums import add, take_photos
from tests.web.test_collections import NEW

REFUSED = "keeps only sums"


@pytest.fixture
def sums_only(alice) -> Collection:
    """With 100 photos counted and one that failed."""
    version = factories.ModelVersionFactory()
    factories.give_evidence(version)
    made = collections.create_collection(alice, name="Sums", purpose="who is on them", is_aggregate_only=True)
    add(made, take_photos(100), version=version)
    factories.make_photo(made, state=State.FAILED, code="timed_out", name="broken.jpg")
    return made


@pytest.fixture
def api(client, alice):
    _, key = tokens.create_token(alice, name="all", scope="upload")
    client.defaults["HTTP_AUTHORIZATION"] = f"Token {key}"
    return client


def test_it_is_chosen_on_the_form_and_cannot_be_changed(alice_client):
    made = alice_client.get(reverse("collection-create")).content.decode()
    assert "Keep only sums" in made
    body = {**NEW, "declaration": "on", "is_aggregate_only": "on"}
    told = alice_client.post(reverse("collection-create"), {**body, "keeps_capture_dates": "on"}).content.decode()
    assert "keeps no photos, and so no days" in told
    alice_client.post(reverse("collection-create"), body)
    collection = Collection.objects.get()
    assert collection.is_aggregate_only
    edit = reverse("collection-edit", args=[collection.uid])
    assert "is_aggregate_only" not in alice_client.get(edit).content.decode()
    alice_client.post(edit, {**NEW, "is_aggregate_only": ""})
    assert Collection.objects.get().is_aggregate_only


def test_its_page_and_card_tell_that_sums_are_kept_and_what_failed(
    alice_client, sums_only, django_assert_max_num_queries
):
    alice_client.get(reverse("collection-summary", args=[sums_only.uid]))
    with django_assert_max_num_queries(16):
        page = alice_client.get(reverse("collection-detail", args=[sums_only.uid])).content.decode()
    for words in ("sums only, no photos", "What is kept", "101", "broken.jpg", "the analysis took too long"):
        assert words in page
    for words in ("Review a sample", ">Tags<", 'id="gallery"', "without a face"):
        assert words not in page
    assert "sums only" in alice_client.get(reverse("collection-list")).content.decode()
    told = alice_client.get(reverse("collection-progress", args=[sums_only.uid])).content.decode()
    assert "Run 1 failed again" in told
    assert (
        "the sums of 101 photos"
        in alice_client.get(reverse("collection-delete", args=[sums_only.uid])).content.decode()
    )


def test_its_report_has_nothing_to_narrow_and_is_kept_and_exported_as_told(alice_client, sums_only):
    place = reverse("collection-report", args=[sums_only.uid])
    page = alice_client.get(f"{place}?gender=Female&narrowest=200").content.decode()
    for words in ("Only sums are kept of this collection", "told together", "if the model errs here as on"):
        assert words in page
    for words in ("Every face (CSV)", "Hold it against", 'name="narrowest"', "Female</a>"):
        assert words not in page
    shown = page.partition('name="shown" value="')[2].partition('"')[0]
    assert (
        alice_client.post(reverse("collection-report-keep", args=[sums_only.uid]), {"shown": shown}).status_code == 302
    )
    kept = KeptReport.objects.get().values
    assert (kept["basis"], kept["crossings"], kept["photos_with"], kept["quality"]) == ("adjusted", {}, {}, {})
    for kind in ("csv", "json", "html"):
        assert alice_client.get(reverse("collection-report-export", args=[sums_only.uid]) + f"?format={kind}").content
    assert alice_client.get(reverse("collection-kept-report", args=[sums_only.uid, 1])).status_code == 200


def test_there_are_no_faces_to_list_to_draw_or_to_tag(alice_client, sums_only):
    assert alice_client.get(reverse("collection-faces", args=[sums_only.uid])).status_code == 404
    drawn = alice_client.post(reverse("draw-new", args=[sums_only.uid]), {"size": 10, "attribute": "race"})
    assert drawn.status_code == 404
    assert not sums_only.draws.exists()
    assert "Sums" not in alice_client.get(reverse("review-home")).content.decode()


def test_by_the_api_likewise(api, sums_only):
    asked = {"name": "a", "purpose": "b", "accept_declaration": True, "is_aggregate_only": True}
    made = api.post("/api/v1/collections/", asked, content_type="application/json")
    assert (made.status_code, made.json()["is_aggregate_only"]) == (201, True)
    both = api.post("/api/v1/collections/", {**asked, "keeps_capture_dates": True}, content_type="application/json")
    assert (both.status_code, both.json()["error"]["code"]) == (409, "keeps_no_days")
    place = f"/api/v1/collections/{sums_only.uid}"
    assert api.get(f"{place}/").json()["photos"] == {"total": 101, "queued": 0, "running": 0, "done": 100, "failed": 1}
    report = api.get(f"{place}/report/").json()
    assert (report["basis"], report["is_current"]) == ("adjusted", True)
    assert min(row["n"] for table in report["attributes"].values() for row in table["rows"]) >= 10
    assert api.get(f"{place}/report/?taxonomy=utkface-4").status_code == 200
    for narrowed in ("gender=Female", "narrowest=20", "by=folder", "reference=x"):
        refused = api.get(f"{place}/report/?{narrowed}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "no_such_choice")
    faces = api.get(f"{place}/faces.csv")
    assert (faces.status_code, faces.json()["error"]["code"]) == (409, "nothing_counted")
    drawn = api.post("/api/v1/draws/", {"collection": str(sums_only.uid), "size": 10}, content_type="application/json")
    assert REFUSED in drawn.json()["error"]["message"]
    assert api.get(f"/api/v1/faces/?collection={sums_only.uid}").json()["results"] == []


def test_what_is_sent_and_waited_for_is_answered_without_its_name(api, alice, sums_only):
    before = set(Photo.objects.values_list("pk", flat=True))
    body = {"collection": str(sums_only.uid), "images": [sent("Aunt Mary.jpg")]}
    answer = api.post("/api/v1/photos/", body)
    assert answer.status_code == 202
    while analysis.run_once():
        pass
    assert set(Photo.objects.values_list("pk", flat=True)) == before
    place = reverse("upload-detail", args=[answer.json()["uid"]])
    api.force_login(alice)
    page = api.get(place).content.decode()
    assert "A photo that was deleted since" in page
    assert "Mary" not in page
