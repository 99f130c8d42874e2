"""Alice's collection of nine photos with a face each, a draw of all of them, and somebody whom she asks to review."""

import pytest

from classifier.models import CollectionShare, Draw
from classifier.services.reviews import drawing
from tests import factories

RACES = ["White"] * 6 + ["Black"] * 3


@pytest.fixture
def pictured(collection):
    for number, race in enumerate(RACES):
        factories.make_face(factories.make_photo(collection, name=f"{number}.jpg"), race=race)
    return collection


@pytest.fixture
def draw(pictured, alice) -> Draw:
    return drawing.begin_draw(pictured, creator=alice, attribute="race", size=9, seed=5)


@pytest.fixture
def carol(pictured):
    carol = factories.UserFactory(username="carol")
    CollectionShare.objects.create(collection=pictured, user=carol, role=CollectionShare.Role.REVIEW)
    return carol
