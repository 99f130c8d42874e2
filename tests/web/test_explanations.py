"""What mattered, on the page: opened, waited for, looked at, and seen by nobody else."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from classifier.models import Explanation, Job, State
from classifier.services import jobs, workers
from tests import factories, fakes
from tests.conftest import logged_in
from tests.web.test_pages import INLINE

HTMX = {"HX-Request": "true"}


@pytest.fixture
def face(photo):
    """Its guess was made by the model that the stand-in has loaded."""
    version = photo.model_version
    version.sha256 = fakes.CARD.sha256
    version.save()
    return photo.faces.get(number=1)


@pytest.fixture
def address(face) -> str:
    return reverse("face-explanation", args=[face.uid, "race"])


def test_the_page_offers_an_explanation_of_each_guess(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert page.count("what mattered?") == 3
    assert not Job.objects.exists()  # looking at a page asks nothing


def test_opening_asks_the_page_waits_and_the_maps_come(alice_client, address, face):
    page = alice_client.post(address, headers=HTMX).content.decode()
    assert "No worker is running" in page
    assert 'hx-trigger="every 1s"' in page
    assert alice_client.get(address, headers=HTMX).status_code == 204
    jobs.run_once()
    page = alice_client.get(address, headers=HTMX).content.decode()
    assert "<html" not in page
    assert "hx-trigger" not in page
    assert page.count("<image") == 4
    assert "Where it looked" in page
    assert "For and against" in page
    assert "“Black” (in the 7 groups of FairFace), 90\N{NO-BREAK SPACE}%" in page
    assert "Not what makes a person anything" in page
    assert "27\N{NO-BREAK SPACE}%" in page  # what the model says of the references
    assert INLINE.findall(page) == []
    again = alice_client.post(address, headers=HTMX).content.decode()
    assert "Where it looked" in again
    assert Job.objects.count() == 1


def test_who_waits_is_told_whether_a_worker_is_there(alice_client, address, photo):
    workers.beat("w1", pid=1, device="cpu", model_version=photo.model_version)
    assert "once more" in alice_client.post(address, headers=HTMX).content.decode()
    workers.retire("w1")
    assert "No worker is running" in alice_client.post(address, headers=HTMX).content.decode()


def test_a_page_that_waits_is_told_when_its_question_stands_elsewhere(alice_client, address, photo):
    def told(shown):
        response = alice_client.get(address, {"shown": shown}, headers=HTMX)
        return response.content.decode() if response.status_code == 200 else response.status_code

    alice_client.post(address, headers=HTMX)
    assert told("unattended") == 204
    workers.beat("w1", pid=1, device="cpu", model_version=photo.model_version)
    assert "waits for its turn" in told("unattended")
    assert told("queued") == 204
    Job.objects.claim(limit=1)
    page = told("queued")
    assert "The model looks at this face" in page
    assert 'id="explain-race-status' not in page  # what is read aloud stays, and changes its words
    assert 'hx-swap-oob="innerHTML:#explain-race-status-1"' in page
    assert "?shown=running" in page
    assert told("running") == 204
    Job.objects.update(state=State.FAILED, code=Job.Code.TIMED_OUT)
    page = told("running")
    assert "took too long" in page
    assert "?shown=" not in page


def test_the_crop_is_laid_as_the_model_saw_it(alice_client, face):
    factories.make_explanation(face)
    face.chip_angle = 12.5
    face.save()
    page = alice_client.get(reverse("face-explanation", args=[face.uid, "race"]), headers=HTMX).content.decode()
    scale = 100 / face.chip_side
    assert f"translate(50 50) scale({scale:.6f}) rotate(-12.5000) translate(-80.000 -80.000)" in page


def test_words_and_numbers_stand_for_the_picture(alice_client, face):
    factories.make_explanation(face, method="gradcam")
    factories.make_explanation(face, method="shap")
    page = alice_client.get(reverse("face-explanation", args=[face.uid, "race"]), headers=HTMX).content.decode()
    assert "Most of it: eyes and brows 60\N{NO-BREAK SPACE}%, mouth 40\N{NO-BREAK SPACE}%." in page
    assert "For it most: eyes and brows. Against it most: mouth." in page
    assert "\N{MINUS SIGN}0.20" in page


def test_without_scripts_a_button_asks_and_the_page_comes_back_opened(alice_client, address, face):
    response = alice_client.post(address)
    assert response.url.endswith(f"{face.photo.uid}/?face=1&explain=race#explain-race")
    page = alice_client.get(response.url).content.decode()
    assert 'id="explain-race" open' in page
    assert "Look whether it is done" in page
    jobs.run_once()
    assert "Where it looked" in alice_client.get(response.url).content.decode()
    assert alice_client.get(address).url == response.url
    unknown = alice_client.get(reverse("photo-detail", args=[face.photo.uid]), {"explain": "height"})
    assert unknown.status_code == 200


def test_a_doubtful_guess_is_explained_as_unsure(alice_client, photo, face):
    doubtful = photo.faces.get(number=2)
    factories.make_explanation(doubtful)
    page = alice_client.get(reverse("face-explanation", args=[doubtful.uid, "race"]), headers=HTMX).content.decode()
    assert "30\N{NO-BREAK SPACE}%, unsure" in page


@pytest.mark.parametrize(
    ("code", "told", "again"),
    [("crashed", "could not work this out", True), ("no_gradients", "ONNX", False), ("worker_lost", "stopped", True)],
)
def test_what_failed_is_told_and_tried_again_where_that_helps(alice_client, address, code, told, again):
    alice_client.post(address, headers=HTMX)
    Job.objects.update(state=State.FAILED, code=code)
    page = alice_client.post(address, headers=HTMX).content.decode()
    assert told in page
    assert ("Try again" in page) == again
    alice_client.post(address, {"again": "1"}, headers=HTMX)
    assert Job.objects.filter(state=State.QUEUED).exists() == again


def test_too_many_questions_are_told_on_the_spot(alice_client, address, settings):
    settings.EXPLAIN_RATE = "1/hour"
    alice_client.post(address.replace("race", "age"), headers=HTMX)
    page = alice_client.post(address, headers=HTMX).content.decode()
    assert "many questions" in page
    assert "Try again" in page


def test_without_scripts_a_refusal_is_told_at_the_top_of_the_page(alice_client, address, settings):
    settings.EXPLAIN_RATE = "1/hour"
    alice_client.post(address.replace("race", "age"))
    page = alice_client.post(address, follow=True).content.decode()
    assert "many questions" in page
    assert "Ask the model" in page


def test_a_page_that_waits_for_what_is_gone_is_told(alice_client, address):
    alice_client.post(address, headers=HTMX)
    Explanation.objects.all().delete()  # another guess was made meanwhile, say
    page = alice_client.get(address, headers=HTMX).content.decode()
    assert "asked anew" in page
    assert "hx-trigger" not in page
    assert "maps" not in page
    assert 'hx-trigger="every 1s"' in alice_client.post(address, {"again": "1"}, headers=HTMX).content.decode()


def test_the_file_can_only_be_looked_at(alice_client, face):
    row = factories.make_explanation(face)
    response = alice_client.get(reverse("explanation-heat", args=[row.uid]))
    assert b"".join(response.streaming_content).startswith(b"\x89PNG")
    assert response["Content-Type"] == "image/png"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "private" in response["Cache-Control"]
    default_storage.delete(row.heat.name)
    assert alice_client.get(reverse("explanation-heat", args=[row.uid])).status_code == 404


def test_a_stranger_gets_404_for_question_answer_and_file(bob_client, address, face):
    row = factories.make_explanation(face)
    assert bob_client.get(address, headers=HTMX).status_code == 404
    assert bob_client.post(address, headers=HTMX).status_code == 404
    assert bob_client.get(reverse("explanation-heat", args=[row.uid])).status_code == 404
    assert Job.objects.count() == 1


def test_a_reviewer_may_ask_for_what_is_opened_to_reviewers(rita, address, face):
    client = logged_in(rita)
    assert client.post(address, headers=HTMX).status_code == 404
    face.photo.collection.is_opened_to_reviewers = True
    face.photo.collection.save()
    assert client.post(address, headers=HTMX).status_code == 200
    assert Job.objects.get().owner == rita


def test_what_is_switched_off_has_no_question_and_no_file(alice_client, address, face, collection):
    row = factories.make_explanation(face)
    collection.attributes = ["gender", "age"]
    collection.save()
    assert alice_client.post(address, headers=HTMX).status_code == 404
    assert alice_client.get(reverse("explanation-heat", args=[row.uid])).status_code == 404
    assert (
        alice_client.get(reverse("photo-detail", args=[face.photo.uid])).content.decode().count("what mattered?") == 2
    )


@pytest.mark.parametrize("attribute", ["height", "RACE", "race'--"])
def test_an_attribute_that_nobody_knows_is_404(alice_client, face, attribute):
    assert alice_client.post(reverse("face-explanation", args=[face.uid, attribute])).status_code == 404


def test_a_face_of_a_deleted_photo_is_404(alice_client, address, face):
    row = factories.make_explanation(face)
    type(face.photo).objects.update(deleting_at=face.photo.received_at)
    assert alice_client.post(address).status_code == 404
    assert alice_client.get(reverse("explanation-heat", args=[row.uid])).status_code == 404


def test_the_face_s_card_asks_the_database_a_bounded_number_of_times(
    alice_client, photo, face, django_assert_max_num_queries
):
    for attribute in ("race", "gender", "age"):
        factories.make_explanation(face, attribute=attribute)
    with django_assert_max_num_queries(14):
        alice_client.get(reverse("photo-detail", args=[photo.uid]), headers=HTMX)
    assert Explanation.objects.count() == 3
