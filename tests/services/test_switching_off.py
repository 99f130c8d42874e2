"""An attribute that is switched off, for a collection or the whole site, is gone: database, API, files and logs."""

import json
import logging
from dataclasses import replace

import pytest
from django.apps import apps
from django.core import serializers
from django.db import connection
from django.urls import reverse

from classifier import tasks
from classifier.checks import values
from classifier.models import Draw, Guess, Job, ModelEvidence, ModelVersion, Prediction, Review, State
from classifier.services import analysis, chores, collections, exports, jobs, tokens
from classifier.services.reports import caching, reading
from classifier.services.reviews import answering, drawing
from tests import factories
from tests.conftest import logged_in

LABEL = "Southeast Asian"
NOT_OF_PEOPLE = (ModelVersion, ModelEvidence)  # how the model errs, in all of its labels


@pytest.fixture
def told_everywhere(alice, rita, django_capture_on_commit_callbacks):
    """A collection of whose faces their perceived group stands wherever it can."""
    collection = factories.CollectionFactory(owner=alice, is_opened_to_reviewers=True)
    faces = [factories.make_face(factories.make_photo(collection), race=LABEL) for _ in range(4)]
    factories.make_explanation(faces[0], attribute="race")
    other = factories.CollectionFactory(owner=alice, name="other")
    factories.make_face(factories.make_photo(other), race="White")
    by_group = drawing.begin_draw(collection, creator=alice, attribute="race", size=2)
    drawing.begin_draw(collection, creator=alice, attribute="age", size=2, chosen={"group": LABEL})
    unsure = drawing.begin_draw(collection, creator=alice, attribute="gender", size=2)
    for draw in (by_group, unsure):
        said = answering.Answer(answers={"race": LABEL, "gender": "Female", "age": "30-39"})
        answering.answer_face(draw, face=draw.drawn_faces.first().face, reviewer=rita, answer=said)
    own = reading.default_question(collection)
    caching.read_answer(collection, question=own, user=alice)
    compared = replace(reading.default_question(other), other=str(collection.uid))
    assert caching.read_answer(other, question=compared, user=alice).values
    for person in (alice, rita):
        exports.ask_for_export(person)
        jobs.run_once()
    return collection


def everything_stored() -> str:
    models = [model for model in apps.get_models(include_auto_created=True) if model not in NOT_OF_PEOPLE]
    there = connection.introspection.table_names()
    return "".join(
        serializers.serialize("json", model._base_manager.all(), ensure_ascii=False)
        for model in models
        if model._meta.managed and model._meta.db_table in there
    )


def everything_answered(user, collection) -> str:
    client = logged_in(user)
    _, key = tokens.create_token(user, name="reader")
    lists = [f"{reverse(f'api-{name}-list')}?collection={collection.uid}" for name in ("photo", "face", "draw")]
    own = [reverse(f"api-collection-{name}", args=[collection.uid]) for name in ("detail", "report", "faces")]
    told = [client.get(place, headers={"Authorization": f"Token {key}"}) for place in (*lists, *own)]
    pages = [reverse(f"collection-{name}", args=[collection.uid]) for name in ("faces", "reviews")]
    told += [client.get(place) for place in pages]
    return "".join(answer.getvalue().decode() for answer in told)


def assert_gone(collection, owner, *, media, caplog):
    assert not Guess.objects.filter(attribute="race", face__photo__collection=collection).exists()
    assert not [row for row in Prediction.objects.filter(face__photo__collection=collection) if "race" in row.vectors]
    assert not Review.objects.filter(answers__has_key="race").exists()
    assert sorted(draw.ended for draw in Draw.objects.all()) == ["", "switched_off", "switched_off"]
    assert LABEL not in everything_stored()
    assert LABEL not in everything_answered(owner, collection)
    assert not list(media.rglob("*.zip"))
    assert not list((media / "heat").rglob("*.png"))
    assert LABEL not in caplog.text


@pytest.mark.parametrize("whole_site", [False, True], ids=["collection", "site"])
def test_it_is_gone_everywhere(
    told_everywhere, alice, media, caplog, settings, whole_site, django_capture_on_commit_callbacks
):
    caplog.set_level(logging.DEBUG)
    assert everything_stored().count(LABEL) > 4
    assert LABEL in everything_answered(alice, told_everywhere)
    assert len(list(media.rglob("*.zip"))) == 2
    with django_capture_on_commit_callbacks(execute=True):
        if whole_site:
            settings.ATTRIBUTES_OFF = ["race"]
            chores.call_all()
            tasks.sweep()
        else:
            collections.change_collection(told_everywhere, actor=alice, attributes=["gender", "age"])
    told_everywhere.refresh_from_db()
    assert told_everywhere.attributes == ["gender", "age"]
    assert_gone(told_everywhere, alice, media=media, caplog=caplog)


def test_of_a_site_without_it_nothing_of_it_is_computed_or_offered(alice, alice_client, settings, monkeypatch):
    collection = factories.CollectionFactory(owner=alice)  # made before, and not changed yet
    photo = factories.make_photo(collection, state=State.QUEUED)
    settings.ATTRIBUTES_OFF = ["race"]
    asked = []
    usual = analysis.inference.build_request
    monkeypatch.setattr(
        analysis.inference,
        "build_request",
        lambda *args, **kwargs: asked.append(set(kwargs["attributes"])) or usual(*args, **kwargs),
    )
    analysis.run_once()
    assert asked == [{"gender", "age"}]
    assert Prediction.objects.get(face__photo=photo).vectors.keys() == {"gender", "age"}

    page = alice_client.get(reverse("collection-create")).content.decode()
    assert 'value="gender"' in page
    assert 'value="race"' not in page
    body = {"name": "a", "purpose": "b", "accept_declaration": True, "attributes": ["race"]}
    refused = alice_client.post(reverse("api-collection-list"), json.dumps(body), content_type="application/json")
    assert refused.status_code == 400
    assert "switched off for this whole site" in refused.content.decode()
    assert collections.create_collection(alice, name="a", purpose="b").attributes == ["gender", "age"]
    assert collections.get_inbox(alice).attributes == ["gender", "age"]


def test_an_export_that_is_being_made_meanwhile_begins_again(told_everywhere, alice, media):
    exports.ask_for_export(alice)
    (job,) = Job.objects.claim(limit=1)
    collections.change_collection(told_everywhere, actor=alice, attributes=["gender", "age"])
    exports.make_anew(told_everywhere)
    exports.make_export(job, token=job.token)  # what it read before is not kept
    assert not list(media.rglob("*.zip"))
    assert jobs.run_once() == 1
    assert exports.find_newest(alice).is_ready()


@pytest.mark.parametrize(("off", "count"), [(["race"], 0), (["rase"], 1), (["race", "gender", "age"], 1)])
def test_a_setting_that_makes_no_sense_is_told(settings, off, count):
    settings.ATTRIBUTES_OFF = off
    assert len(list(values.check_attributes_off(None))) == count
