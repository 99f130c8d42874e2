"""Rows for tests, made the short way."""

import hashlib
from itertools import count
from typing import Any

import factory
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from classifier.intake import storage
from classifier.models import (
    Collection,
    Explanation,
    Face,
    Job,
    ModelEvidence,
    ModelVersion,
    Photo,
    State,
    User,
)
from classifier.services import predictions
from classifier.terms import TERMS_VERSION
from ml import labels
from ml.model import evidence
from ml.model.card import ModelCard
from ml.shares.evidence import PHOTOS
from tests import pictures
from tests.ml.surveying import made_up

_numbers = count(1)

# How a face looks and where its chip lies, where a test does not mind.
PLAIN_FACE: dict[str, Any] = {
    "sharpness": 150.0,
    "brightness": 0.5,
    "chip_cx": 80.0,
    "chip_cy": 80.0,
    "chip_side": 130.0,
    "chip_angle": 0.0,
    "detector_version": "test",
}


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    password = factory.django.Password("correct horse battery")
    terms_version = TERMS_VERSION
    terms_accepted_at = factory.LazyFunction(timezone.now)
    terms_accepted_by = factory.SelfAttribute("username")


class CollectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Collection

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"collection {n}")
    purpose = "a study of representation"
    terms_version = TERMS_VERSION
    terms_accepted_at = factory.LazyFunction(timezone.now)
    terms_accepted_by = factory.SelfAttribute("owner")


class ModelVersionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ModelVersion
        django_get_or_create = ("sha256",)

    name = "facet-test"
    sha256 = hashlib.sha256(b"facet-test").hexdigest()
    status = ModelVersion.Status.PRODUCTION
    card = {
        "thresholds": {
            "race": dict.fromkeys(labels.TAXONOMIES, 0.5),
            "gender": {"gender": 0.7},
            "age": {"age": 0.4},
        },
        "sets": {
            name: {
                way: {"coverage": 0.9, "least": dict.fromkeys(labels.groups_of(name, taxonomy=way), 0.2)}
                for way in labels.taxonomies_of(name)
            }
            for name in labels.ATTRIBUTES
        },
        "licence": "test",
        "metrics": {},
    }


def give_evidence(version: ModelVersion, *, count: int = 700) -> ModelEvidence:
    """How a made-up model errs, as a worker keeps it of the checkpoint that it loaded."""
    known = made_up.make_evidence(count=count, way=PHOTOS)
    card = ModelCard(name=version.name, arch="", labels={name: tuple(of) for name, of in labels.ATTRIBUTES.items()})
    card, content = evidence.attach(card, ways=[known], data_sha256="")
    return ModelEvidence.objects.create(
        model_version=version, sha256=card.evidence["sha256"], about=card.evidence, content=content
    )


def make_photo(collection: Collection, *, state: str = State.DONE, name: str = "photo.jpg", **values: object) -> Photo:
    """A photo with real files; done ones have no faces until `make_face` adds them."""
    number = next(_numbers)
    content = pictures.jpeg(320, 240, seed=number)
    photo = Photo(
        owner=collection.owner,
        collection=collection,
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        width=320,
        height=240,
        stored_bytes=2 * len(content),
        state=state,
        turn=number,
        **values,
    )
    if state in (State.DONE, State.FAILED):
        photo.finished_at = timezone.now()
    if state == State.DONE:
        photo.model_version, photo.device = ModelVersionFactory(), "cpu"
    photo.image.save(f"photos/{photo.uid}.jpg", ContentFile(content), save=False)
    photo.thumbnail.save(f"thumbnails/{photo.uid}.jpg", ContentFile(content), save=False)
    photo.save()
    return photo


def even(attribute: str, *, top: str, probability: float) -> list[float]:
    """A vector with `probability` on the label `top` and the rest spread evenly."""
    names = labels.ATTRIBUTES[attribute]
    rest = (1 - probability) / (len(names) - 1)
    return [probability if name == top else rest for name in names]


def make_face(
    photo: Photo,
    *,
    number: int = 1,
    race: str = "Black",
    gender: str = "Female",
    age: str = "30-39",
    probability: float = 0.9,
    **values: object,
) -> Face:
    """A face of a photo with a current prediction of the production model."""
    box = {"x1": 40.0, "y1": 30.0, "x2": 120.0, "y2": 130.0, "size_px": 80.0} | values
    face = Face.objects.create(
        photo=photo,
        number=number,
        detection=0.998,
        **PLAIN_FACE,
        **box,
    )
    vectors = {
        "race": even("race", top=race, probability=probability),
        "gender": even("gender", top=gender, probability=max(probability, 0.5)),
        "age": even("age", top=age, probability=probability),
    }
    with transaction.atomic():
        Collection.objects.filter(pk=photo.collection_id).hold()
        predictions.store_predictions({face: vectors}, model_version=ModelVersionFactory())
    Photo.objects.filter(pk=photo.pk).update(face_count=photo.faces.filter(retired_at=None).count())
    return face


def make_explanation(face: Face, *, attribute: str = "race", method: str = "gradcam", **values: object) -> Explanation:
    """A finished explanation of a face's current guess, with a real file."""
    job = Job.objects.create(owner=face.photo.owner, kind=Job.Kind.EXPLANATION, photo=face.photo, state=State.DONE)
    prediction = face.predictions.get(is_current=True)
    row = Explanation(
        face=face,
        model_version=prediction.model_version,
        attribute=attribute,
        method=method,
        label=prediction.predicted_label(attribute),
        job=job,
        crop_side=face.chip_side,
        places=8,
        probability=0.9,
        reference_probability=0.3 if method == "shap" else None,
        regions={"eyes and brows": 0.6, "mouth": -0.2 if method == "shap" else 0.4},
        **values,
    )
    row.heat = storage.store_heat(pictures.encode(pictures.picture(32, 32), "PNG"), uid=row.uid)
    row.save()
    return row
