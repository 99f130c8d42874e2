"""Names that are scripts, in a real browser: they are shown as what they are and run nowhere."""

import pytest
from django.urls import reverse

from classifier.models import User
from classifier.services import workers
from classifier.services.reviews import answering, drawing
from tests import factories
from tests.conftest import logged_in

pytestmark = pytest.mark.browser

# Each sets a mark if it runs, whichever way out of text it finds.
EVIL = (
    '"><img src=x onerror="top.ran=\'name\'">',
    "</script><script>top.ran='name'</script>",
    "'-top.ran='name'-'",
    "{{constructor.constructor(\"top.ran='name'\")()}}",
    "javascript:top.ran='name'",
)


@pytest.fixture
def everywhere(alice, rita, evidence):
    """Everything that people may name, named so."""
    User.objects.filter(pk=alice.pk).update(username=EVIL[0], first_name=EVIL[1])
    alice.refresh_from_db()
    collection = factories.CollectionFactory(
        owner=alice, name=EVIL[0], purpose=" ".join(EVIL), is_opened_to_reviewers=True
    )
    faces = []
    for number, evil in enumerate(EVIL):
        photo = factories.make_photo(collection, name=f"{evil}.jpg", folder=evil, note=evil[:200])
        faces.append(factories.make_face(photo, race=("White", "Black")[number % 2]))
        column = collection.tag_columns.create(name=evil[:60])
        column.tags.create(photo=photo, value=evil[:100])
    draw = drawing.begin_draw(collection, creator=alice, attribute="gender", size=4)
    drawn = draw.drawn_faces.first().face
    said = answering.Answer(answers={"race": "Black", "gender": "Male", "age": "20-29"}, comment=EVIL[1])
    answering.answer_face(draw, face=drawn, reviewer=rita, answer=said)
    workers.beat(EVIL[0], pid=1, device=EVIL[1][:40], model_version=drawn.predictions.get().model_version)
    return collection, faces[0].photo, draw


def test_no_name_runs_anywhere(live_server, page, log_in, alice, adam, everywhere):
    collection, photo, draw = everywhere
    log_in(page, alice)
    pages = [
        reverse("collection-list"),
        *(reverse(f"collection-{name}", args=[collection.uid]) for name in ("detail", "edit", "delete", "report")),
        reverse("collection-detail", args=[collection.uid]) + f"?q={EVIL[0]}",
        reverse("tag-list", args=[collection.uid]),
        reverse("photo-detail", args=[photo.uid]),
        reverse("draw-detail", args=[draw.uid]),
        reverse("draw-review", args=[draw.uid]),
        *(reverse(name) for name in ("review-home", "account-detail", "about", "model-list", "account_logout")),
    ]
    shown = sum(visit(page, live_server.url + address) for address in pages)
    assert shown > 10  # the names are there, as text
    cookie = logged_in(adam).cookies["sessionid"]
    page.context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
    for model in ("user", "collection", "photo", "face", "workerheartbeat", "auditevent"):
        visit(page, live_server.url + reverse(f"admin:classifier_{model}_changelist"))


def visit(page, address: str) -> int:
    """How often hostile text can be read on a page that ran none of it; scripts get the time to fill it in."""
    answer = page.goto(address)
    assert answer.status < 500, address
    page.wait_for_load_state("load")
    assert page.evaluate("top.ran") is None, address
    assert page.evaluate("document.querySelectorAll('img[src=x], [onerror]').length") == 0, address
    return page.content().count("top.ran")
