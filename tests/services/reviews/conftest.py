import pytest

from classifier.models import Collection, CollectionShare, Draw, User
from classifier.services.reviews import drawing
from tests import factories
from tests.services.reviews import made_up


@pytest.fixture
def pictured(collection) -> Collection:
    """Alice's collection with 120 faces: 80 guessed White, 30 Black, 10 Indian."""
    made_up.add_faces(collection, ["White"] * 80 + ["Black"] * 30 + ["Indian"] * 10)
    return collection


@pytest.fixture
def draw(pictured, alice) -> Draw:
    return drawing.begin_draw(pictured, creator=alice, attribute="race", size=20, seed=7)


@pytest.fixture
def carol(db, collection) -> User:
    """Invited by alice to review."""
    carol = factories.UserFactory(username="carol")
    CollectionShare.objects.create(collection=collection, user=carol, role=CollectionShare.Role.REVIEW)
    return carol
