"""Who is pictured in a collection: the full report, its ways out, and reports that are kept."""

import csv
import io
import json
import re
from datetime import date
from threading import BoundedSemaphore
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from classifier.models import (
    Collection,
    CollectionShare,
    ComputedReport,
    Job,
    KeptReport,
    PhotoTag,
    RemovedReport,
    State,
    TagColumn,
)
from classifier.models.reports import ImmutableReportError
from classifier.services import collections, deletion, jobs
from classifier.services.reports import caching
from ml import labels
from ml.reporting import survey_json
from tests import factories
from tests.conftest import logged_in

pytestmark = pytest.mark.usefixtures("few_resamples")

REPORT_QUERIES, KEPT_QUERIES = 14, 8
EXPORT_QUERIES = 9  # the line of the audit log among them


def address(name: str, collection: Collection, *args: object) -> str:
    return reverse(f"collection-{name}", args=[collection.uid, *args])


def read(client, name: str, collection: Collection, query: str = "", **headers: str) -> str:
    answer = client.get(f"{address(name, collection)}{query}", **headers)
    assert answer.status_code == 200
    return answer.content.decode()


def keep(client, collection: Collection, query: str = "") -> KeptReport:
    page = read(client, "report", collection, query)
    shown = re.search(r'name="shown" value="([^"]+)"', page)[1]
    answer = client.post(f"{address('report-keep', collection)}{query}", {"shown": shown})
    number = int(answer.url.rstrip("/").rpartition("/")[2])
    return KeptReport.objects.get(collection=collection, number=number)


def test_pages_of_reports_ask_as_little_of_many_as_of_one(alice, alice_client, portraits):
    column = TagColumn.objects.create(collection=portraits, name="desk")
    read(alice_client, "report", portraits, "?by=folder")
    for taxonomy in ("utkface-4", "fairface-6"):
        keep(alice_client, portraits, f"?taxonomy={taxonomy}")

    def count(most: int, name: str, *args: object, query: str = "") -> int:
        with CaptureQueriesContext(connection) as counted:
            assert alice_client.get(f"{address(name, portraits, *args)}{query}").status_code == 200
        assert len(counted) <= most, [query["sql"][:200] for query in counted]
        return len(counted)

    def count_all() -> list[int]:
        return [
            count(REPORT_QUERIES, "report", query="?by=folder"),
            count(KEPT_QUERIES, "kept-report-list"),
            count(KEPT_QUERIES, "kept-report", 1),
            count(KEPT_QUERIES, "kept-report-compare", query="?report=1&report=2"),
            count(EXPORT_QUERIES, "kept-report-export", 1, query="?format=csv"),
        ]

    before = count_all()
    for number in range(10):
        factories.CollectionFactory(owner=alice, name=f"other {number}")
        PhotoTag.objects.create(photo=portraits.photos.all()[number], column=column, value=str(number))
    for narrowest in (41, 42, 43):
        keep(alice_client, portraits, f"?narrowest={narrowest}")
    assert count_all() == before


@pytest.mark.parametrize(
    ("query", "chips", "told"),
    [
        ("?taxonomy=utkface-4&narrowest=50", 0, "faces of 50 px and wider"),
        ("?by=folder", 0, "By folder"),
        ("?gender=Female", 1, "chosen by what the model said"),
        ("?state=no_face", 1, "No face here fits these filters"),
        ("?narrowest=30", 0, "photos in which faces of 30 px could not be found"),
        ("?narrowest=500", 0, "No face here is counted: 24 faces narrower than 500 px"),
        ("?taxonomy=nonsense&by=nonsense&other=nonsense&narrowest=-3&group=Nobody", 0, "Race group, as perceived"),
    ],
)
def test_the_report_follows_its_address(alice_client, portraits, query, chips, told):
    portraits.photos.update(narrowest_face_px=31)
    text = read(alice_client, "report", portraits, query)
    assert text.count('class="filter-chip"') == chips
    assert told in text


def test_parts_of_a_tag_column_and_of_months_are_small_multiples(alice_client, portraits):
    column = TagColumn.objects.create(collection=portraits, name="desk")
    months = [date(2024, 1, 3), date(2024, 2, 3), date(2024, 4, 3)]
    for place, photo in enumerate(portraits.photos.order_by("pk")):
        PhotoTag.objects.create(photo=photo, column=column, value=["news", "<culture>"][place % 2])
        portraits.photos.filter(pk=photo.pk).update(captured_on=months[place % 3])
    Collection.objects.filter(pk=portraits.pk).update(keeps_capture_dates=True)
    text = read(alice_client, "report", portraits, "?by=tag:desk")
    assert "By desk" in text
    assert "&lt;culture&gt;" in text
    text = read(alice_client, "report", portraits, "?by=month")
    assert text.count('class="path"') == 2 * (7 + 2 + 5)
    assert 'aria-label="Male: ' in text


def test_a_model_without_matrices_and_one_with_another_beside_it(alice_client, collection):
    other = factories.ModelVersionFactory(name="older", sha256="0" * 64, status="retired")
    photo = factories.make_photo(collection)
    for number in (1, 2, 3):
        factories.make_face(photo, number=number)
    face = factories.make_face(photo, number=4)
    face.predictions.update(model_version=other)
    text = read(alice_client, "report", collection)
    assert "facet-test does not carry how it errs" in text
    assert "One face is left out, since another model version looked at them last" in text
    assert "Only 3 faces" in text
    factories.make_face(photo, number=5, size_px=30.0)
    Collection.objects.filter(pk=collection.pk).note_answers()
    summary = read(alice_client, "summary", collection)
    assert "no share should be quoted" in summary
    assert (
        "Not counted: 1 face narrower than 40 px, 1 face at which another version of the model looked last." in summary
    )


def test_race_that_is_switched_off_is_nowhere(alice, alice_client, portraits):
    read(alice_client, "report", portraits)
    collections.change_collection(portraits, actor=alice, attributes=["gender", "age"])
    assert not ComputedReport.objects.exists()
    text = read(alice_client, "report", portraits)
    assert "Race group" not in text
    assert 'name="taxonomy"' not in text
    assert "Gender, as perceived" in text
    collections.change_collection(portraits, actor=alice, attributes=[])
    assert "every attribute is switched off" in read(alice_client, "report", portraits)


def test_an_empty_collection_says_so(alice_client, collection):
    assert "There are no photos yet" in read(alice_client, "report", collection)
    assert "<h2" not in read(alice_client, "summary", collection)
    factories.make_photo(collection, code="no_face")
    Collection.objects.filter(pk=collection.pk).note_answers()
    assert "No face was found in these photos" in read(alice_client, "report", collection)


def test_large_collections_are_left_to_a_worker(alice_client, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 10)
    text = read(alice_client, "report", portraits)
    assert "The report is being computed. It waits until a worker runs." in text
    assert "<progress" in text
    assert read(alice_client, "report", portraits)
    assert Job.objects.filter(kind=Job.Kind.REPORT).count() == 1
    shown = re.search(r'"shown": "([^"]+)"', text)[1]
    query = f"?shown={shown}"
    waiting = alice_client.get(f"{address('report', portraits)}{query}", HTTP_HX_REQUEST="true")
    assert waiting.status_code == 204
    assert jobs.run_once() == 1
    fragment = read(alice_client, "report", portraits, query, HTTP_HX_REQUEST="true")
    assert "Race group, as perceived" in fragment
    assert "<html" not in fragment
    assert "hx-get" not in fragment


def test_who_comes_while_others_are_computed_at_once_is_left_to_a_worker(alice_client, portraits, monkeypatch):
    monkeypatch.setattr(caching, "_at_once", BoundedSemaphore(1))
    with caching._at_once:
        assert "The report is being computed" in read(alice_client, "report", portraits)
    assert jobs.run_once() == 1
    assert "Race group, as perceived" in read(alice_client, "report", portraits)


def test_a_report_that_failed_can_be_tried_again(alice_client, portraits, monkeypatch):
    monkeypatch.setattr(caching, "AT_ONCE_FACES", 10)
    read(alice_client, "report", portraits)
    Job.objects.update(state=State.FAILED, code=Job.Code.CRASHED)
    text = read(alice_client, "report", portraits)
    assert "The report could not be computed" in text
    assert "Try again" in text
    assert Job.objects.count() == 1
    assert alice_client.post(address("report-again", portraits)).status_code == 302
    assert jobs.run_once() == 1
    assert "Race group, as perceived" in read(alice_client, "report", portraits)


def test_shares_that_are_typed_or_sent_are_compared_with(alice_client, portraits):
    def send(**form):
        return alice_client.post(f"{address('report-reference', portraits)}?by=folder", {"name": "readers", **form})

    file = SimpleUploadedFile("census.csv", b"attribute;label;share\ngender;male;49 %\ngender;Female;51\n", "text/csv")
    of_excel = "Attribute\tLabel\tShare\rgender\tMale\t49\rgender\tFemale\t51".encode("utf-16")
    ways = (
        {"text": "gender,Male,0.49\ngender,Female,0.51"},
        {"text": "", "file": file},
        {"text": "", "file": SimpleUploadedFile("census.txt", of_excel)},
    )
    for answer in [send(**form) for form in ways]:
        assert answer.status_code == 302
        text = alice_client.get(answer.url.partition("#")[0]).content.decode()
        assert "Against readers" in text
        assert "By folder" in text
        assert "49.0" in text
    for form, told in (
        ({"text": "gender,Male,0.4"}, "The shares of gender lack Female"),
        ({"text": "gender,Male,40\ngender,Female,20"}, "add up to 60"),
        ({"text": "shoes,Male,40"}, "“shoes” is none of race, gender, age"),
        ({"text": "race,<b>,40"}, "&lt;b&gt;"),
        ({"text": "gender,Male,lots"}, "“lots” is no share"),
        ({"text": "gender,Male,1\ngender,Male,1"}, "has a share already"),
        ({"text": ""}, "There is no share"),
        ({"text": "", "file": SimpleUploadedFile("x.csv", b"\x00\x01")}, "This is no table of text"),
        ({"text": 'gender,"Male,1'}, "Line 1 breaks off or has a stray quotation mark"),
    ):
        answer = send(**form)
        assert answer.status_code == 200
        assert told in answer.content.decode()


def test_known_shares_stay_with_whatever_else_is_asked_until_they_are_taken_away(alice, alice_client, portraits):
    fits = [f"race,{label},{100 / 7}" for label in labels.TAXONOMIES["fairface-7"]]
    asked = {"reference": "\n".join(fits), "reference_name": "census"}
    text = read(alice_client, "report", portraits, f"?{urlencode(asked)}")
    assert "Against census" in text
    chip = re.search(r'class="filter-chip" href="(\?[^"]*)"', text)[1]
    assert "Against census" not in read(alice_client, "report", portraits, chip)
    # What the form sends when it is asked to be told by folder.
    sent = dict(re.findall(r'type="hidden" name="(reference\w*)" value="([^"]+)"', text))
    assert "Against census" in read(alice_client, "report", portraits, f"?{urlencode({**sent, 'by': 'folder'})}")
    second = factories.CollectionFactory(owner=alice, name="second")
    factories.make_face(factories.make_photo(second))
    text = read(alice_client, "report", portraits, f"?{urlencode({**sent, 'other': second.uid})}")
    assert "Against second" in text
    assert "Against census" not in text
    text = read(alice_client, "report", portraits, f"?{urlencode({**sent, 'taxonomy': 'fairface-6'})}")
    assert "“East Asian” is none of" in text
    assert "Against census" not in text


def test_another_collection_is_compared_with_if_it_can_be_seen(alice, alice_client, bob, portraits):
    second = factories.CollectionFactory(owner=alice, name="second")
    factories.make_face(factories.make_photo(second))
    strangers = factories.CollectionFactory(owner=bob)
    factories.make_face(factories.make_photo(strangers))
    text = read(alice_client, "report", portraits, f"?other={second.uid}")
    assert "Against second" in text
    assert "faces of 40 px and wider, against second" in text
    assert keep(alice_client, portraits, f"?other={second.uid}").title == "Front pages, against second"
    assert "held against second" in read_kept(alice_client, portraits, 1)
    text = read(alice_client, "report", portraits, f"?other={strangers.uid}")
    assert "Against" not in text
    assert "This collection was deleted, or is not open to you." in text


def test_a_kept_report_never_changes_and_is_kept_once(alice, alice_client, portraits):
    kept = keep(alice_client, portraits)
    assert (kept.number, kept.faces, kept.title) == (1, 24, portraits.name)
    assert keep(alice_client, portraits) == kept
    assert (second := keep(alice_client, portraits, "?taxonomy=utkface-4&by=folder")).number == 2
    with pytest.raises(ImmutableReportError):
        kept.save()
    portraits.photos.all().delete()
    text = read_kept(alice_client, portraits, 1)
    for part in ("24 faces of 40 px", kept.sha256, "it is what was kept", "@misc{facet-", "Race group, as perceived"):
        assert part in text
    assert second.title.endswith(", by folder")
    listed = read(alice_client, "kept-report-list", portraits)
    assert listed.index(second.sha256[:12]) < listed.index(kept.sha256[:12])


def read_kept(client, collection: Collection, number: int) -> str:
    return client.get(address("kept-report", collection, number)).content.decode()


def test_numbers_that_changed_since_are_shown_before_they_are_kept(alice_client, portraits):
    read(alice_client, "report", portraits)
    answer = alice_client.post(address("report-keep", portraits), {"shown": "of yesterday"}, follow=True)
    assert "The numbers have changed since" in answer.content.decode()
    assert not KeptReport.objects.exists()


def test_two_kept_reports_stand_beside_each_other(alice_client, portraits):
    keep(alice_client, portraits)
    factories.make_face(factories.make_photo(portraits))
    Collection.objects.filter(pk=portraits.pk).note_answers()
    keep(alice_client, portraits)
    text = read(alice_client, "kept-report-compare", portraits, "?report=1&report=2")
    assert "Report 1 beside report 2" in text
    assert text.count('class="first-dot"') > 10
    assert "They were asked" not in text
    keep(alice_client, portraits, "?narrowest=50")
    text = read(alice_client, "kept-report-compare", portraits, "?report=1&report=3")
    assert "They were asked about different photos or faces" in text
    for query in ("", "?report=1", "?report=1&report=99", "?report=x&report=1"):
        assert "Tick two" in read(alice_client, "kept-report-compare", portraits, query)


def test_what_is_left_of_a_kept_report_is_its_hash(alice_client, portraits, bob):
    kept = keep(alice_client, portraits)
    deletion.delete_collection(portraits)
    answer = alice_client.get(address("kept-report", portraits, 1))
    assert answer.status_code == 410
    assert kept.sha256 in answer.content.decode()
    assert RemovedReport.objects.count() == 1
    assert logged_in(bob).get(address("kept-report", portraits, 1)).status_code == 404


def test_who_deletes_a_collection_is_told_what_becomes_of_kept_reports(alice_client, portraits):
    assert "kept report" not in read(alice_client, "delete", portraits)
    keep(alice_client, portraits)
    assert "1 kept report goes along" in read(alice_client, "delete", portraits)


def test_those_it_is_shared_with_read_reports_but_keep_none(portraits, alice_client, bob):
    kept = keep(alice_client, portraits)
    CollectionShare.objects.create(collection=portraits, user=bob)
    client = logged_in(bob)
    text = read(client, "report", portraits)
    assert ">Keep<" not in text
    assert kept.sha256 in client.get(address("kept-report", portraits, 1)).content.decode()
    assert client.post(address("report-keep", portraits)).status_code == 404


def test_a_report_leaves_as_csv_json_html_and_svg(alice_client, portraits):
    kept = keep(alice_client, portraits)
    for base in (address("report-export", portraits), address("kept-report-export", portraits, 1)):
        rows = list(csv.DictReader(io.StringIO(alice_client.get(f"{base}?format=csv").content.decode())))
        assert {row["section"] for row in rows} >= {"attributes", "crossings", "photos_with", "quality"}
        values = json.loads(alice_client.get(f"{base}?format=json").content)
        assert survey_json.from_values(values).faces == kept.faces
        page = alice_client.get(f"{base}?format=html")
        assert page["Content-Disposition"].startswith("attachment")
        assert "<!doctype html>" in page.content.decode()
        assert alice_client.get(f"{base}?format=exe").status_code == 404
    for name, args in (("report-chart", ["race"]), ("kept-report-chart", [1, "race-x-gender"])):
        answer = alice_client.get(address(name, portraits, *args))
        assert answer["Content-Type"].startswith("image/svg+xml")
        assert answer.content.startswith(b"<svg")
    assert alice_client.get(address("report-chart", portraits, "shoes")).status_code == 404


def test_every_face_leaves_as_csv_with_formulas_defused(alice_client, portraits, django_assert_max_num_queries):
    portraits.photos.filter(name="0.jpg").update(name="=1+1.jpg", folder="@home")
    with django_assert_max_num_queries(12 + 4):  # four are the line in the audit log, once for each export
        content = b"".join(alice_client.get(address("faces", portraits)).streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == 24
    assert (rows[0]["file"], rows[0]["folder"], rows[0]["face"]) == ("'=1+1.jpg", "'@home", "1")
    assert float(rows[0]["race_White"]) == pytest.approx(0.9)
    assert (rows[0]["predicted_race"], rows[0]["unsure_race"]) == ("White", "false")
    content = b"".join(alice_client.get(f"{address('faces', portraits)}?gender=Female").streaming_content).decode()
    assert {row["predicted_gender"] for row in csv.DictReader(io.StringIO(content))} == {"Female"}
