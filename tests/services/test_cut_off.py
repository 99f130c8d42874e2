"""A face that is cut off is stored as such, and unsure wherever it is told of."""

import csv
import dataclasses

import pytest
from django.urls import reverse

from classifier.models import Face, Guess, State
from classifier.services import analysis, predictions
from classifier.services.reports import exporting, reading
from tests import factories, fakes

pytestmark = pytest.mark.django_db


def test_what_the_pipeline_says_is_kept_and_doubted(collection, monkeypatch):
    see = fakes.FakePipeline._face

    def cut(self, *args):
        return dataclasses.replace(see(self, *args), cut_off=True)

    monkeypatch.setattr(fakes.FakePipeline, "_face", cut)
    factories.make_photo(collection, state=State.QUEUED)
    analysis.run_once()
    face = Face.objects.get()
    assert face.cut_off
    guesses = Guess.objects.filter(face=face)
    assert [guess.unsure for guess in guesses] == [True] * 3
    assert all(told["unsure"] for told in guesses.get(attribute="race").groups.values())
    assert all(answer["unsure"] for answer in predictions.describe_prediction(face.prediction).values())


def test_pages_api_csv_and_report_say_so(alice_client, collection):
    photo = factories.make_photo(collection)
    factories.make_face(photo, probability=0.95)
    factories.make_face(photo, number=2, probability=0.95, cut_off=True)
    page = alice_client.get(reverse("photo-detail", args=[photo.uid]), {"face": 2}).content.decode()
    assert "Cut off: so much of this face is missing" in page
    assert "unsure (Black), unsure (Female), unsure (30-39); cut off" in page
    assert page.count('<span class="unsure">unsure</span>') == 3
    assert "Cut off" not in alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()

    told = alice_client.get(reverse("api-photo-detail", args=[photo.uid])).json()["faces"]
    assert [face["cut_off"] for face in told] == [False, True]
    assert [face["predictions"]["gender"]["unsure"] for face in told] == [False, True]

    question = reading.default_question(collection)
    rows = list(csv.DictReader("".join(exporting.write_faces(collection, question=question)).splitlines()))
    assert [(row["cut_off"], row["unsure_age"]) for row in rows] == [("false", "false"), ("true", "true")]
    assert reading.read_collection(collection, question=question).survey.cut_off.tolist() == [False, True]
    report = alice_client.get(reverse("collection-report", args=[collection.uid])).content.decode()
    assert "1 of the faces is cut off" in report
