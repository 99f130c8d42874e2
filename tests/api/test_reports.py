"""Reports by the API: computed, waited for, narrowed, kept; and every face as CSV."""

import csv
import io
import json

import pytest

from classifier.models import CollectionShare, Job, KeptReport, State
from classifier.services import deletion, jobs
from classifier.services.reports import caching, exporting
from tests import factories
from tests.api.conftest import client_of
from tests.services.reports.conftest import few_resamples  # noqa: F401

RACES = ("White", "White", "White", "Black", "Indian", "East Asian")
CENSUS = "attribute,label,share%0Agender,Male,49%0Agender,Female,51"


@pytest.fixture
def portraits(collection):
    factories.give_evidence(factories.ModelVersionFactory())
    for number in range(12):
        photo = factories.make_photo(collection, name=f"{number}.jpg", folder="front" if number < 8 else "sport")
        for place in (1, 2):
            factories.make_face(photo, number=place, race=RACES[number % 6], gender=("Male", "Female")[place - 1])
    return collection


def address(collection, what: str = "report/") -> str:
    return f"/api/v1/collections/{collection.uid}/{what}"


def error_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_report_is_told_as_its_file_is(reader, portraits):
    answer = reader.get(address(portraits))
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("is_current") is True
    assert json.loads(exporting.write_report(body, kind="json")) == body
    assert (body["faces"], body["attributes"]["race"]["taxonomy"]) == (24, "fairface-7")
    body = reader.get(f"{address(portraits)}?taxonomy=utkface-4&by=folder&gender=Female&narrowest=50").json()
    assert (body["faces"], body["attributes"]["race"]["taxonomy"]) == (12, "utkface-4")
    assert [part["value"] for part in body["groups"]] == ["front", "sport"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("taxonomy=nonsense", (400, "invalid")),
        ("narrowest=-3", (400, "invalid")),
        ("narrowest=wide", (400, "invalid")),
        ("by=tag:nothing", (404, "no_such_choice")),
        ("by=month", (404, "no_such_choice")),
        ("other=8b9b6f0e-9d0b-4a8c-9c57-fb0a9b8b5d10", (404, "no_such_choice")),
        ("group=Nobody", (404, "no_such_choice")),
        ("reference=gender,Male,0.4", (409, "reference_refused")),
        ("reference=census", (409, "reference_refused")),
        (f"reference={'gender,Male,1%0A' * 2_000}", (409, "reference_refused")),
        (f"reference={CENSUS}&other=8b9b6f0e-9d0b-4a8c-9c57-fb0a9b8b5d10", (404, "no_such_choice")),
        ("state=no_face", (409, "nothing_counted")),
        ("narrowest=900", (409, "nothing_counted")),
    ],
)
def test_what_does_not_fit_is_refused_in_words(reader, portraits, query, told):
    for what in ("report/", "faces.csv") if told[1] != "nothing_counted" else ("report/",):
        assert error_of(reader.get(f"{address(portraits, what)}?{query}")) == told


def test_a_filter_of_an_attribute_that_is_off_is_told(reader, portraits):
    portraits.attributes = ["gender", "age"]
    portraits.save()
    assert "race" not in reader.get(address(portraits)).json()["attributes"]
    assert error_of(reader.get(f"{address(portraits)}?group=White")) == (404, "no_such_choice")


def test_a_large_collection_is_waited_for(reader, api, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 10)
    answer = reader.get(address(portraits))
    assert answer.status_code == 202
    assert answer.json() == {"state": "computing", "progress": 0.0, "is_attended": False}
    assert answer["Retry-After"] == "2"
    keep = {"collection": str(portraits.uid)}
    assert api.post("/api/v1/reports/", keep, format="json").status_code == 202
    assert Job.objects.count() == 1
    assert jobs.run_once() == 1
    assert reader.get(address(portraits)).json()["faces"] == 24
    assert api.post("/api/v1/reports/", keep, format="json").status_code == 201


def test_a_report_that_failed_is_tried_again_when_that_is_asked(reader, api, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 10)
    reader.get(address(portraits))
    Job.objects.update(state=State.FAILED, code=Job.Code.TIMED_OUT)
    answer = reader.get(address(portraits))
    assert error_of(answer) == (503, "report_failed")
    assert "took too long" in answer.json()["error"]["message"]
    assert error_of(reader.post(address(portraits))) == (403, "scope_missing")
    assert api.post(address(portraits)).status_code == 202
    assert jobs.run_once() == 1
    assert reader.get(address(portraits)).status_code == 200


def test_a_collection_that_still_runs_says_so(reader, portraits):
    factories.make_photo(portraits, state=State.QUEUED)
    body = reader.get(address(portraits)).json()
    assert any("One photo is not analysed yet" in note for note in body["notes"])


def test_reports_are_kept_listed_and_read(reader, api, portraits, stranger, bob):
    asked = {"collection": str(portraits.uid), "by": "folder", "filters": {"gender": "Female"}}
    answer = api.post("/api/v1/reports/", asked, format="json")
    assert answer.status_code == 201
    again = api.post("/api/v1/reports/", asked, format="json")
    assert (again.status_code, again.json()["uid"]) == (200, answer.json()["uid"])
    api.post("/api/v1/reports/", {"collection": str(portraits.uid)}, format="json")
    (second, first) = reader.get(f"/api/v1/reports/?collection={portraits.uid}").json()["results"]
    assert first == answer.json()
    assert (first["number"], first["title"], second["number"]) == (
        1,
        "Front pages, perceived gender Female, by folder",
        2,
    )
    whole = reader.get(f"/api/v1/reports/{first['uid']}/").json()
    kept = KeptReport.objects.get(uid=first["uid"])
    assert whole["report"] == kept.values
    assert whole["bibtex"].startswith("@misc{facet-")
    assert first["address"].endswith(f"/collections/{portraits.uid}/reports/1/")
    assert stranger.get("/api/v1/reports/").json()["results"] == []
    assert stranger.get(f"/api/v1/reports/{first['uid']}/").status_code == 404
    assert stranger.get(f"/api/v1/reports/?collection={portraits.uid}").status_code == 404
    CollectionShare.objects.create(collection=portraits, user=bob)
    assert client_of(bob).get(f"/api/v1/reports/{first['uid']}/").status_code == 200
    assert stranger.post("/api/v1/reports/", asked, format="json").status_code == 404
    assert reader.get("/api/v1/reports/?collection=nobody").status_code == 400


def test_shares_that_are_known_are_held_against_it(reader, api, alice, portraits):
    body = reader.get(f"{address(portraits)}?reference={CENSUS}&reference_name=census").json()
    (told,) = body["comparisons"]
    assert (told["name"], told["against"]) == ("gender", "census")
    assert {row["label"]: row["second"] for row in told["rows"]} == {"Male": 0.49, "Female": 0.51}
    asked = {"collection": str(portraits.uid), "reference": "gender,Male,0.49\ngender,Female,0.51"}
    kept = api.post("/api/v1/reports/", {**asked, "reference_name": "census"}, format="json")
    assert kept.json()["title"] == "Front pages, against census"
    assert KeptReport.objects.get().values["comparisons"] == body["comparisons"]
    other = factories.CollectionFactory(owner=alice, name="second")
    answer = api.post("/api/v1/reports/", {**asked, "other": str(other.uid)}, format="json")
    assert error_of(answer) == (409, "reference_refused")
    assert "not both" in answer.json()["error"]["message"]
    answer = reader.get(f"{address(portraits)}?reference=shoes,Male,1")
    assert "Line 1: “shoes” is none of race, gender, age" in answer.json()["error"]["message"]


def test_of_a_report_that_went_with_its_collection_the_owner_is_told_what_is_left(api, stranger, portraits):
    kept = api.post("/api/v1/reports/", {"collection": str(portraits.uid)}, format="json").json()
    deletion.delete_collection(portraits)
    answer = api.get(f"/api/v1/reports/{kept['uid']}/")
    assert error_of(answer) == (410, "report_removed")
    left = answer.json()["error"]["details"]
    assert left.pop("removed_at") > kept["kept_at"]
    assert left == {name: kept[name] for name in ("uid", "collection", "number", "sha256", "kept_at")}
    assert error_of(stranger.get(f"/api/v1/reports/{kept['uid']}/")) == (404, "not_found")


def test_every_face_comes_as_csv(reader, portraits, django_assert_max_num_queries):
    portraits.photos.filter(name="0.jpg").update(name="\t=1+1.jpg")
    reader.get("/api/v1/models/")  # the first request of a token counts it
    with django_assert_max_num_queries(16 + 4):  # four are the line in the audit log, once for each export
        answer = reader.get(f"{address(portraits, 'faces.csv')}?gender=Female")
        content = b"".join(answer.streaming_content).decode()
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == 12
    assert rows[0]["file"] == "'\t=1+1.jpg"
    assert {row["predicted_gender"] for row in rows} == {"Female"}
