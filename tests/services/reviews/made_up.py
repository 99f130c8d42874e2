"""Collections of faces without files, for draws: as many as are asked for, in one insert a table."""

from collections.abc import Sequence

from django.utils import timezone

from classifier.models import Collection, Face, ModelVersion, Photo, State
from classifier.services import predictions
from tests import factories


def add_faces(
    collection: Collection,
    races: Sequence[str],
    *,
    genders: Sequence[str] | None = None,
    per_photo: int = 1,
    probability: float = 0.8,
    size_px: float = 80.0,
) -> list[Face]:
    """Done photos with such guesses of race (and gender, Female where nothing is said), all of a size."""
    version = factories.ModelVersionFactory()
    photos = _add_photos(collection, count=-(-len(races) // per_photo), per_photo=per_photo, version=version)
    faces = Face.objects.bulk_create(
        Face(
            photo=photos[place // per_photo],
            number=place % per_photo + 1,
            x1=40.0,
            y1=30.0,
            x2=40.0 + size_px,
            y2=130.0,
            size_px=size_px,
            detection=0.99,
            **factories.PLAIN_FACE,
        )
        for place in range(len(races))
    )
    vectors = {
        face: {
            "race": factories.even("race", top=race, probability=probability),
            "gender": factories.even("gender", top=genders[n] if genders else "Female", probability=probability),
            "age": factories.even("age", top="30-39", probability=probability),
        }
        for n, (face, race) in enumerate(zip(faces, races, strict=True))
    }
    predictions.store_predictions(vectors, model_version=version, are_first=True)
    return faces


def _add_photos(collection: Collection, *, count: int, per_photo: int, version: ModelVersion) -> list[Photo]:
    start = Photo.objects.count()
    return Photo.objects.bulk_create(
        Photo(
            owner=collection.owner,
            collection=collection,
            name=f"{start + n}.jpg",
            sha256=f"{start + n:064x}",
            width=320,
            height=240,
            image=f"photos/{start + n}.jpg",
            thumbnail=f"thumbnails/{start + n}.jpg",
            state=State.DONE,
            finished_at=timezone.now(),
            model_version=version,
            face_count=per_photo,
        )
        for n in range(count)
    )
