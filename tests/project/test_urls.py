"""Who gets what at every address of the site: a URL without a row in the table fails."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from classifier.intake import storage
from classifier.models import AccountExport, Collection, CollectionShare, TagColumn, Upload, User
from classifier.services import tokens
from classifier.services.reports import caching, keeping, reading
from classifier.services.reviews import drawing
from tests import factories, lock_order, pictures
from tests.conftest import logged_in

PEOPLE = ("anonymous", "stranger", "owner", "reviewer", "admin")

# What an address names is the owner's, in a collection that is opened to reviewers. 302: to the log-in page, or done.
ACCESS = """
#      URL                                    anon.  str. owner  rev. admin
# Health
GET    healthz                                  200   200   200   200   200
GET    readyz                                   503   503   503   503   503
# Accounts
GET    account_login                            200   302   302   302   302
POST   account_login                            200   302   302   302   302
GET    account_logout                           302   200   200   200   200
POST   account_logout                           302   302   302   302   302
GET    account_inactive                         200   200   200   200   200
GET    account_signup                           200   302   302   302   302
POST   account_signup                           200   302   302   302   302
GET    account_reauthenticate                   302   200   200   200   200
GET    account_email                            302   200   200   200   200
POST   account_email                            302   302   302   302   302
GET    account_email_verification_sent          200   200   200   200   200
GET    account_change_password                  302   200   200   200   200
POST   account_change_password                  302   200   200   200   200
GET    account_set_password                     302   302   302   302   302
GET    account_reset_password                   200   200   200   200   200
GET    account_confirm_login_code               302   302   302   302   302
GET    account_confirm_email                    200   200   200   200   200
GET    account_reset_password_from_key_done     200   200   200   200   200
GET    account_reset_password_from_key          200   200   200   200   200
GET    account_reset_password_done              200   200   200   200   200
GET    mfa_index                                302   200   200   200   200
GET    mfa_authenticate                         302   302   302   302   302
POST   mfa_authenticate                         302   302   302   302   302
GET    mfa_reauthenticate                       302   302   302   302   302
POST   mfa_reauthenticate                       302   302   302   302   302
GET    mfa_activate_totp                        302   302   302   302   302
POST   mfa_activate_totp                        302   302   302   302   302
GET    mfa_deactivate_totp                      302   404   404   404   404
POST   mfa_deactivate_totp                      302   404   404   404   404
GET    mfa_view_recovery_codes                  302   404   404   404   404
GET    mfa_generate_recovery_codes              302   302   302   302   302
POST   mfa_generate_recovery_codes              302   302   302   302   302
GET    mfa_download_recovery_codes              302   404   404   404   404
GET    mfa_list_webauthn                        302   200   200   200   200
GET    mfa_add_webauthn                         302   302   302   302   302
POST   mfa_add_webauthn                         302   302   302   302   302
GET    mfa_login_webauthn                       302   302   302   302   302
POST   mfa_login_webauthn                       302   302   302   302   302
GET    mfa_reauthenticate_webauthn              302   302   302   302   302
POST   mfa_reauthenticate_webauthn              302   302   302   302   302
GET    mfa_remove_webauthn                      302   302   302   302   302
POST   mfa_remove_webauthn                      302   302   302   302   302
GET    mfa_edit_webauthn                        302   302   302   302   302
POST   mfa_edit_webauthn                        302   302   302   302   302
GET    usersessions_list                        302   200   200   200   200
POST   usersessions_list                        302   302   302   302   302
# API
GET    api-photo-list                           401   200   200   200   200
POST   api-photo-list                           401   202   202   202   202
GET    api-photo-detail                         401   404   200   200   200
DELETE api-photo-detail                         401   404   204   404   404
GET    api-face-list                            401   200   200   200   200
GET    api-collection-list                      401   200   200   200   200
POST   api-collection-list                      401   400   400   400   400
GET    api-collection-detail                    401   404   200   200   200
DELETE api-collection-detail                    401   404   204   404   404
GET    api-collection-report                    401   404   200   200   200
POST   api-collection-report                    401   404   200   200   200
GET    api-collection-faces                     401   404   200   200   200
GET    api-kept-report-list                     401   200   200   200   200
POST   api-kept-report-list                     401   400   400   400   400
GET    api-kept-report-detail                   401   404   200   200   200
GET    api-model-list                           401   200   200   200   200
GET    api-draw-list                            401   200   200   200   200
POST   api-draw-list                            401   400   400   400   400
GET    api-draw-detail                          401   404   200   200   200
POST   api-draw-enlarge                         401   404   400   404   404
GET    api-draw-next                            401   404   200   200   200
POST   api-draw-answers                         401   404   400   400   400
GET    api-draw-results                         401   404   200   409   200
GET    api-collection-draw-sizes                401   404   200   200   200
POST   api-collection-labels                    401   404   400   404   404
GET    api-schema                               200   200   200   200   200
GET    api-docs                                 200   200   200   200   200
GET    api-unknown                              404   404   404   404   404
POST   api-unknown                              404   404   404   404   404
GET    api-tag-list                             401   404   200   200   200
POST   api-tag-list                             401   404   400   404   404
DELETE api-tag-detail                           401   404   204   404   404
# Pages
GET    collection-list                          302   200   200   200   200
GET    collection-create                        302   200   200   200   200
POST   collection-create                        302   200   200   200   200
GET    collection-detail                        302   404   200   200   200
GET    collection-edit                          302   404   200   404   404
POST   collection-edit                          302   404   200   404   404
POST   collection-declare                       302   404   302   404   404
GET    collection-delete                        302   404   200   404   404
POST   collection-delete                        302   404   302   404   404
GET    collection-progress                      302   404   200   200   200
GET    collection-summary                       302   404   200   200   200
GET    collection-report                        302   404   200   200   200
POST   collection-report-reference              302   404   200   200   200
POST   collection-report-again                  302   404   302   302   302
POST   collection-report-keep                   302   404   302   404   404
GET    collection-report-export                 302   404   200   200   200
GET    collection-report-chart                  302   404   200   200   200
GET    collection-faces                         302   404   200   200   200
GET    collection-kept-report-list              302   404   200   200   200
GET    collection-kept-report-compare           302   404   200   200   200
GET    collection-kept-report                   302   404   200   200   200
GET    collection-kept-report-export            302   404   200   200   200
GET    collection-kept-report-chart             302   404   200   200   200
POST   photo-upload                             302   404   302   404   404
POST   photo-run-again-failed                   302   404   302   404   404
POST   photo-delete-selected                    302   404   302   404   404
GET    photo-detail                             302   404   200   200   200
GET    tag-list                                 302   404   200   404   404
POST   tag-list                                 302   404   200   404   404
POST   tag-remove                               302   404   302   404   404
GET    photo-image                              302   404   200   200   200
GET    photo-thumbnail                          302   404   200   200   200
POST   photo-delete                             302   404   302   404   404
POST   photo-run-again                          302   404   302   404   404
POST   photo-turn-back                          302   404   302   404   404
POST   photo-detect-again                       302   404   302   404   404
GET    face-explanation                         302   404   302   302   302
POST   face-explanation                         302   404   302   302   302
GET    explanation-heat                         302   404   200   200   200
GET    upload-detail                            302   404   200   200   200
GET    face-crop                                302   404   200   200   200
GET    review-home                              302   200   200   200   200
GET    draw-new                                 302   404   200   404   404
POST   draw-new                                 302   404   200   404   404
GET    draw-detail                              302   404   200   200   200
POST   draw-enlarge                             302   404   200   404   404
POST   draw-extend                              302   404   200   404   404
POST   draw-invite                              302   404   200   404   404
POST   draw-dismiss                             302   404   302   404   404
GET    draw-review                              302   404   200   200   200
POST   draw-review                              302   404   200   200   200
GET    draw-faces                               302   404   200   200   200
POST   draw-answer                              302   404   400   400   400
POST   draw-undo                                302   404   400   400   400
GET    draw-progress                            302   404   200   200   200
GET    draw-settle                              302   404   200   200   200
POST   draw-settle                              302   404   200   200   200
GET    draw-export                              302   404   200   404   404
GET    collection-reviews                       302   404   200   404   404
GET    collection-labels                        302   404   200   404   404
POST   collection-labels                        302   404   200   404   404
GET    queue-review                             302   404   200   200   200
POST   queue-review                             302   404   200   200   200
GET    queue-faces                              302   404   200   200   200
POST   queue-answer                             302   404   400   400   400
GET    account-detail                           302   200   200   200   200
POST   export-ask                               302   302   302   302   302
GET    export-fetch                             302   404   200   404   404
GET    account-delete                           302   200   200   200   200
POST   account-delete                           302   200   200   200   200
POST   account-keep                             302   302   302   302   302
POST   session-end                              302   404   302   404   404
POST   terms-accept                             302   302   302   302   302
GET    token-list                               302   200   200   200   200
POST   token-list                               302   200   200   200   200
POST   token-revoke                             302   404   302   404   404
GET    model-list                               302   200   200   200   200
GET    about                                    200   200   200   200   200
"""


def parse(table: str) -> dict[tuple[str, str], dict[str, int]]:
    """(method, URL name) -> person -> status."""
    lines = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    return {(method, name): dict(zip(PEOPLE, map(int, found), strict=True)) for method, name, *found in lines}


TABLE = parse(ACCESS)
NAMES = sorted({name for _, name in TABLE})
LIBRARYS = ("account_", "mfa_", "usersessions_")  # its views take other methods, too
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FORMATS = {"collection-report-export": "?format=csv", "collection-kept-report-export": "?format=csv"}
# For whom a collection is shared to be reviewed.
REVIEWING = {"api-draw-next", "api-draw-answers"} | {f"draw-{name}" for name in ("review", "faces", "answer", "undo")}
REVIEWING |= {"draw-progress", "draw-settle", "queue-review", "queue-faces", "queue-answer"}
AS_JSON = {"api-collection-labels", "api-collection-list", "api-kept-report-list", "api-draw-list"}
AS_JSON |= {"api-draw-enlarge", "api-draw-answers"}
IN_A_COLLECTION = {"photo-upload", "photo-run-again-failed", "photo-delete-selected", "draw-new"}
IN_A_COLLECTION |= {"tag-list", "api-tag-list", "queue-review", "queue-faces", "queue-answer"}


def all_urls(resolver: URLResolver | None = None, *, namespace: str = "") -> Iterator[tuple[str, str]]:
    """Name and own route of every address; names of the admin begin with `admin:`."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from all_urls(pattern, namespace=namespace + inner)
        else:
            yield namespace + (pattern.name or ""), str(pattern.pattern)


ROUTES = dict(all_urls())


@pytest.fixture
def people(alice, bob, rita, adam) -> dict[str, User | None]:
    return {"anonymous": None, "stranger": bob, "owner": alice, "reviewer": rita, "admin": adam}


@pytest.fixture
def rows(alice) -> SimpleNamespace:
    """What the addresses name."""
    collection = factories.CollectionFactory(owner=alice, is_opened_to_reviewers=True)
    photo = factories.make_photo(collection)
    face = factories.make_face(photo)
    explanation = factories.make_explanation(face)
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=1)
    upload = Upload.objects.create(owner=alice, collection=collection)
    token, _ = tokens.create_token(alice, name="laptop")
    answer = caching.read_answer(collection, question=reading.default_question(collection), user=alice)
    question = reading.default_question(collection)
    kept = keeping.keep_report(collection, values=answer.values or {}, question=question, title="a report", user=alice)
    tag = TagColumn.objects.create(collection=collection, name="newspaper")
    export = AccountExport.objects.create(owner=alice, expires_at=timezone.now() + timedelta(days=1))
    with storage.writing_export(export.uid, attempt=uuid4()) as made:
        made.file.write(b"all of it")
        made.publish()
    AccountExport.objects.update(file=storage.export_name(export.uid))
    session = UserSession.objects.create(user=alice, ip="192.0.2.1", session_key="another", user_agent="Firefox")
    return SimpleNamespace(
        collection=collection,
        export=export,
        session=session,
        photo=photo,
        face=face,
        explanation=explanation,
        draw=draw,
        kept=kept,
        upload=upload,
        token=token,
        tag=tag,
    )


def address(name: str, rows: SimpleNamespace) -> str:
    if name in ("mfa_remove_webauthn", "mfa_edit_webauthn"):
        return reverse(name, args=[1])
    if name == "session-end":
        return reverse(name, args=[rows.session.pk])
    if name == "account_confirm_email":
        return reverse(name, args=["a-key"])
    if name == "account_reset_password_from_key":
        return reverse(name, args=["1", "a-key"])
    if name == "api-unknown":
        return "/api/v1/nowhere/"
    if name == "face-explanation":
        return reverse(name, args=[rows.face.uid, "race"])
    if "<uuid:uid>" not in ROUTES[name]:
        return reverse(name)
    if name.startswith("collection-kept-report") and "<int:number>" in ROUTES[name]:
        args = [rows.collection.uid, 1, *(["race"] if name.endswith("chart") else [])]
        return reverse(name, args=args) + FORMATS.get(name, "")
    if name == "collection-report-chart":
        return reverse(name, args=[rows.collection.uid, "race"])
    kind = "collection" if name in IN_A_COLLECTION else name.removeprefix("api-").partition("-")[0]
    return reverse(name, args=[getattr(rows, kind).uid]) + FORMATS.get(name, "")


def form(name: str) -> dict[str, Any]:
    """What is posted; most forms are sent empty, which is far enough to see who may."""
    if name in ("photo-upload", "api-photo-list"):
        return {"images": SimpleUploadedFile("a.jpg", pictures.jpeg(), "image/jpeg")}
    return {}


def ask(user: User | None, method: str, name: str, rows: SimpleNamespace) -> int:
    """The status of one request, whose traces in the database are taken back."""
    with lock_order.taken_back():
        client = logged_in(user) if user else Client()
        if method == "POST" and name not in AS_JSON:
            status = client.post(address(name, rows), form(name)).status_code
        else:
            status = client.generic(method, address(name, rows), content_type="application/json").status_code
    return status


def test_every_address_has_a_row():
    names = {name for name in ROUTES if not name.startswith("admin:")}
    assert names == set(NAMES)


@pytest.mark.parametrize(("method", "name"), TABLE)
def test_everybody_gets_what_the_table_says(method, name, people, rows):
    last = ["owner"]  # may delete files, which no roll-back brings back
    order = [who for who in PEOPLE if who not in last] + last
    assert {who: ask(people[who], method, name, rows) for who in order} == TABLE[method, name]


@pytest.mark.parametrize(("method", "name"), [key for key in TABLE if "uuid" in ROUTES[key[1]]])
def test_what_is_not_opened_is_a_strangers_to_reviewers_and_administrators(method, name, people, rows):
    Collection.objects.update(is_opened_to_reviewers=False)
    expected = TABLE[method, name]["stranger"]
    assert [ask(people[who], method, name, rows) for who in ("reviewer", "admin")] == [expected, expected]


@pytest.mark.parametrize(("method", "name"), [key for key in TABLE if "uuid" in ROUTES[key[1]]])
def test_whom_a_collection_is_shared_with_reads_as_a_reviewer_does(method, name, people, rows):
    # Results of a draw are kept from those alone who have something to answer in it.
    role = CollectionShare.Role.REVIEW if name in {*REVIEWING, "api-draw-results"} else CollectionShare.Role.READ
    CollectionShare.objects.create(collection=rows.collection, user=people["stranger"], role=role)
    assert ask(people["stranger"], method, name, rows) == TABLE[method, name]["reviewer"]


@pytest.mark.parametrize(("method", "name"), [key for key in TABLE if key[1] in REVIEWING])
def test_whom_a_collection_is_shared_with_to_be_read_does_not_review(method, name, people, rows):
    CollectionShare.objects.create(collection=rows.collection, user=people["stranger"])
    assert ask(people["stranger"], method, name, rows) == 404


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(LIBRARYS) and name != "api-unknown"])
def test_a_method_without_a_row_is_refused(name, people, rows):
    others = [method for method in METHODS if (method, name) not in TABLE]
    assert {ask(people["owner"], method, name, rows) for method in others} == {405}


def admin_addresses(rows: SimpleNamespace) -> Iterator[str]:
    """Every address of the admin that can be made, for a row that is there."""
    keys = {"photo": rows.photo.pk, "collection": rows.collection.pk, "upload": rows.upload.pk}
    for name, route in all_urls():
        if not name.startswith("admin:") or name in ("admin:", "admin:logout"):
            continue
        model = name.removeprefix("admin:").split("_")[1:2]
        key = keys.get(model[0] if model else "", 1)
        if name == "admin:app_list":
            yield reverse(name, args=["classifier"])
        elif name == "admin:view_on_site":
            yield reverse(name, args=[1, 1])
        else:
            yield reverse(name, args=[key] if "<" in route else [])
    yield "/admin/nowhere/"


def test_the_admin_is_for_administrators(people, rows):
    door = reverse("admin:login")
    found = list(admin_addresses(rows))
    assert len(found) > 70
    for who in ("anonymous", "stranger", "owner", "reviewer"):
        client = logged_in(people[who]) if people[who] else Client()
        for place in found:
            if place == door:
                assert client.get(place).status_code == (302 if who == "anonymous" else 403)
            else:
                answer = client.get(place)
                assert answer.status_code == 302, (who, place)
                assert answer.url.startswith(door), (who, place)


def test_no_page_of_the_admin_breaks_for_an_administrator(people, rows):
    client = logged_in(people["admin"])
    for place in admin_addresses(rows):
        assert client.get(place).status_code in (200, 302, 403, 404, 405), place
