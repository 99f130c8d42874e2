import pytest
from django.urls import reverse

from classifier.models import Collection, Photo, State, Upload
from classifier.services.reports import computing
from ml.shares.resampling import Bootstrap
from tests import factories


@pytest.fixture(autouse=True)
def limits_of_its_own(settings):
    """Counted in the database, which forgets between tests."""
    settings.REDIS_URL = ""


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def photo(collection) -> Photo:
    """A done photo of alice's with two faces, the second one doubtful."""
    photo = factories.make_photo(collection, name="team.jpg", timings_ms={"decode": 8.0, "detect": 31.0})
    factories.make_face(photo, number=1, race="Black", gender="Female", age="30-39")
    factories.make_face(
        photo,
        number=2,
        race="Indian",
        gender="Male",
        age="20-29",
        probability=0.3,
        x1=150.0,
        x2=180.0,
        y2=66.0,
        size_px=30.0,
    )
    photo.refresh_from_db()
    return photo


@pytest.fixture
def gallery(collection, photo) -> Collection:
    """Alice's collection with a photo in every state a photo can have."""
    factories.make_photo(collection, state=State.QUEUED, name="waiting.jpg")
    factories.make_photo(collection, state=State.RUNNING, name="running.jpg")
    factories.make_photo(collection, state=State.FAILED, name="broken.jpg", code="timed_out")
    factories.make_photo(collection, name="landscape.jpg", code="no_face")
    return collection


@pytest.fixture
def upload(collection, photo) -> Upload:
    """A submission of alice's with one file of each kind."""
    upload = Upload.objects.create(owner=collection.owner, collection=collection)
    upload.items.create(number=1, name="team.jpg", outcome="accepted", photo=photo)
    upload.items.create(number=2, name="again.jpg", outcome="duplicate", message="It is here already.", photo=photo)
    upload.items.create(number=3, name="notes.txt", outcome="unsupported", message="Facet reads JPEG, PNG, …")
    return upload


@pytest.fixture
def token(alice):
    from classifier.services import tokens

    return tokens.create_token(alice, name="laptop")[0]


@pytest.fixture
def page_addresses(gallery, photo, upload) -> list[str]:
    """Every page alice can open."""
    collection, uid = [gallery.uid], [photo.uid]
    return [
        reverse("collection-list"),
        reverse("collection-create"),
        reverse("collection-detail", args=collection),
        reverse("collection-edit", args=collection),
        reverse("collection-delete", args=collection),
        reverse("collection-progress", args=collection),
        reverse("photo-detail", args=uid),
        reverse("photo-detail", args=uid) + "?face=2&taxonomy=utkface-4",
        reverse("photo-detail", args=[gallery.photos.get(name="waiting.jpg").uid]),
        reverse("photo-detail", args=[gallery.photos.get(name="broken.jpg").uid]),
        reverse("photo-detail", args=[gallery.photos.get(name="landscape.jpg").uid]),
        reverse("tag-list", args=collection),
        reverse("collection-labels", args=collection),
        reverse("upload-detail", args=[upload.uid]),
        reverse("account-detail"),
        reverse("token-list"),
        reverse("model-list"),
        reverse("about"),
        reverse("account_email"),
        reverse("account_change_password"),
        reverse("account_logout"),
        reverse("account_reauthenticate"),
        reverse("account_inactive"),
        reverse("account_reset_password"),
        reverse("account_reset_password_done"),
        reverse("account_email_verification_sent"),
    ]


@pytest.fixture
def open_addresses() -> list[str]:
    """Every page somebody without an account can open."""
    return [
        reverse("about"),
        reverse("account_login"),
        reverse("account_signup"),
        reverse("account_reset_password"),
        reverse("account_reset_password_done"),
        reverse("account_reset_password_from_key_done"),
        reverse("account_reset_password_from_key", kwargs={"uidb36": "1", "key": "no-key"}),
        reverse("account_confirm_email", args=["no-key"]),
        reverse("account_email_verification_sent"),
        "/no/such/page/",
    ]


@pytest.fixture
def few_resamples(monkeypatch):
    """Where nothing looks at the width of an interval."""
    request = computing.Request
    monkeypatch.setattr(computing, "Request", lambda **values: request(bootstrap=Bootstrap(replicates=100), **values))


@pytest.fixture
def evidence(db):
    return factories.give_evidence(factories.ModelVersionFactory())


@pytest.fixture
def portraits(collection, evidence) -> Collection:
    """Alice's collection of twelve photos with 24 faces, half of them of women."""
    races = ("White", "White", "White", "Black", "Indian", "East Asian")
    for number in range(12):
        photo = factories.make_photo(collection, name=f"{number}.jpg", folder="front" if number < 8 else "sport")
        for place in (1, 2):
            factories.make_face(photo, number=place, race=races[number % 6], gender=("Male", "Female")[place - 1])
    return Collection.objects.get(pk=collection.pk)
