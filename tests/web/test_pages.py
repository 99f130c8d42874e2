"""Every page, rendered: for its owner, for a stranger, and under the content security policy."""

import json
import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from classifier.models import ModelVersion
from tests import factories

INLINE = re.compile(r"<style|\sstyle=|\son\w+\s*=|<script(?![^>]*\ssrc=)|javascript:", re.I)


def test_every_page_answers_its_owner(alice_client, page_addresses):
    statuses = {address: alice_client.get(address).status_code for address in page_addresses}
    assert {a: s for a, s in statuses.items() if s not in (200, 302)} == {}


def test_no_page_holds_inline_scripts_or_styles(alice_client, page_addresses, open_addresses):
    for client, addresses in ((alice_client, page_addresses), (Client(), open_addresses)):
        for address in addresses:
            response = client.get(address, follow=True)
            found = INLINE.findall(response.content.decode())
            assert not found, f"{address}: {found}"
            assert "unsafe" not in response["Content-Security-Policy"]


def test_pages_never_call_a_guess_a_fact(alice_client, photo):
    page = alice_client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    for heading in re.findall(r"<h3>(.*?)</h3>", page):
        assert heading.startswith("Perceived")
    assert "guess" in page


def test_anonymous_people_are_sent_to_log_in(client, db, gallery, photo):
    for address in (reverse("collection-list"), reverse("photo-image", args=[photo.uid]), reverse("model-list")):
        response = client.get(address)
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login"))


def test_a_script_of_somebody_logged_out_is_told_where_to_log_in(client, gallery):
    response = client.get(reverse("collection-progress", args=[gallery.uid]), headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Redirect"].startswith(reverse("account_login"))


def test_a_stranger_gets_404_for_everything_of_alices(bob_client, gallery, photo, upload, token):
    reads = [
        reverse("collection-detail", args=[gallery.uid]),
        reverse("collection-edit", args=[gallery.uid]),
        reverse("collection-delete", args=[gallery.uid]),
        reverse("collection-progress", args=[gallery.uid]),
        reverse("photo-detail", args=[photo.uid]),
        reverse("photo-image", args=[photo.uid]),
        reverse("photo-thumbnail", args=[photo.uid]),
        reverse("upload-detail", args=[upload.uid]),
    ]
    writes = [
        reverse("collection-edit", args=[gallery.uid]),
        reverse("collection-delete", args=[gallery.uid]),
        reverse("photo-upload", args=[gallery.uid]),
        reverse("photo-run-again-failed", args=[gallery.uid]),
        reverse("photo-delete-selected", args=[gallery.uid]),
        reverse("photo-delete", args=[photo.uid]),
        reverse("photo-run-again", args=[photo.uid]),
        reverse("photo-detect-again", args=[photo.uid]),
        reverse("token-revoke", args=[token.uid]),
    ]
    assert {bob_client.get(address).status_code for address in reads} == {404}
    assert {bob_client.post(address).status_code for address in writes} == {404}
    assert bob_client.get(reverse("collection-list")).context["cards"] == []


def test_what_changes_something_does_not_answer_to_get(alice_client, gallery, photo, token):
    addresses = [reverse(name, args=[photo.uid]) for name in ("photo-delete", "photo-run-again", "photo-detect-again")]
    addresses += [reverse(name, args=[gallery.uid]) for name in ("photo-upload", "photo-run-again-failed")]
    addresses += [reverse("photo-delete-selected", args=[gallery.uid]), reverse("token-revoke", args=[token.uid])]
    assert {alice_client.get(address).status_code for address in addresses} == {405}


def test_somebody_who_may_read_sees_no_buttons_to_change_things(gallery, photo, rita):
    gallery.is_opened_to_reviewers = True
    gallery.save()
    client = Client()
    client.force_login(rita)
    page = client.get(reverse("collection-detail", args=[gallery.uid])).content.decode()
    assert "team.jpg" in page
    assert 'id="upload"' not in page
    assert "Run 1 failed again" not in page
    page = client.get(reverse("photo-detail", args=[photo.uid])).content.decode()
    assert "Delete" not in page
    assert "Detect again" not in page


def test_names_are_escaped(alice_client, alice):
    evil = factories.CollectionFactory(owner=alice, name="<img src=x onerror=alert(1)>")
    photo = factories.make_photo(evil, name='"><script>alert(1)</script>.jpg')
    factories.make_face(photo)
    for address in (
        reverse("collection-list"),
        reverse("collection-detail", args=[evil.uid]),
        reverse("photo-detail", args=[photo.uid]),
    ):
        page = alice_client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_the_models_page_tells_accuracy_per_group(alice_client):
    factories.ModelVersionFactory(
        sha256="a" * 64,
        name="facet-1",
        card={
            "licence": "MIT",
            "metrics": {
                "held_out": {"race": 0.686, "gender": 0.92, "race of White": 0.71, "race of Black": 0.85},
                "calibration": {"images": 2500, "race": {"ece_before": 0.0671, "ece_after": 0.0242}},
            },
        },
    )
    page = alice_client.get(reverse("model-list")).content.decode()
    assert "facet-1" in page
    assert "68.6\N{NO-BREAK SPACE}%" in page
    assert "85.0\N{NO-BREAK SPACE}%" in page
    assert "Middle Eastern" in page
    assert "2.4\N{NO-BREAK SPACE}%" in page
    assert "2,500" not in page


def test_the_models_page_shows_only_what_was_measured_of_this_version(alice_client):
    metrics = {
        "fairface_val": {"of": "b" * 64, "race": {"accuracy": 0.789}},
        "held_out": {"of": "a" * 64, "race": 0.456},
    }
    card = {"answers_sha256": "a" * 64, "metrics": metrics}
    version = factories.ModelVersionFactory(sha256="c" * 64, card=card)
    page = alice_client.get(reverse("model-list")).content.decode()
    assert "45.6\N{NO-BREAK SPACE}%" in page
    assert "78.9\N{NO-BREAK SPACE}%" not in page
    assert "Other measurements on its card are of another version" in page
    version.card["metrics"] = {"of_another_version": {"fairface_val": metrics["fairface_val"]}}
    version.save()
    page = alice_client.get(reverse("model-list")).content.decode()
    assert "All measurements on its card are of another version" in page
    assert "states no measurements" not in page


def test_the_models_page_tells_of_the_members_of_a_joint_model(alice_client):
    members = [
        {"name": "facet-3", "arch": "face_resnet29", "weight": 0.6, "views": "both", "preset": {"size": 150}},
        {"name": "lite", "arch": "tf_efficientnet_lite0", "weight": 0.4, "views": "straight", "preset": {"size": 160}},
    ]
    members[0]["sha256"] = members[1]["sha256"] = "ab" * 32
    factories.ModelVersionFactory(sha256="a" * 64, name="both", card={"arch": "two kinds", "members": members})
    page = alice_client.get(reverse("model-list")).content.decode()
    assert (
        "facet-3 <code>abababababab</code>: face_resnet29, 60.0\N{NO-BREAK SPACE}% of the answer, at 150 pixels" in page
    )
    assert "150 pixels, of each face and its mirror image</dd>" in page
    assert "160 pixels, of each face as it is</dd>" in page


def test_the_models_page_draws_a_bar_for_each_group(alice_client):
    published = json.loads((settings.BASE_DIR / "ml" / "weights" / "model.json").read_text())
    factories.ModelVersionFactory(sha256="a" * 64, card=published)
    page = alice_client.get(reverse("model-list")).content.decode()
    by_group = published["metrics"]["fairface_val"]["race"]["by_race"]
    for share in by_group.values():
        assert f'class="bar-share" width="{share * 100:.2f}%"' in page


def test_the_models_page_prefers_the_validation_set_to_what_training_held_out(alice_client):
    """The README and the model card tell these figures too: one model has one accuracy."""
    published = json.loads((settings.BASE_DIR / "ml" / "weights" / "model.json").read_text())
    held_out = published["metrics"]["held_out"] = {"race": 0.123, "gender": 0.456, "age": 0.234}
    factories.ModelVersionFactory(sha256="a" * 64, name="facet-2", card=published)
    page = alice_client.get(reverse("model-list")).content.decode()
    validation = published["metrics"]["fairface_val"]
    for share in (validation["race"]["accuracy"], validation["race"]["by_race"]["Middle Eastern"]):
        assert f"{share:.1%}".replace("%", "\N{NO-BREAK SPACE}%") in page
    assert f"{held_out['race']:.1%}".replace("%", "\N{NO-BREAK SPACE}%") not in page


def test_the_models_page_tells_of_what_a_version_is_never_sure(alice_client):
    thresholds = {"race": {"fairface-7": {"White": 0.5, "Latino_Hispanic": None}}, "age": {"age": 0.4}}
    factories.ModelVersionFactory(card={"thresholds": thresholds})
    page = alice_client.get(reverse("model-list")).content.decode()
    assert "<dt>Never sure of</dt><dd>perceived group: Latino / Hispanic</dd>" in page
    assert page.count("Never sure of") == 1


def test_production_stands_first_among_the_models(alice_client):
    factories.ModelVersionFactory(sha256="b" * 64, name="old", status=ModelVersion.Status.RETIRED)
    factories.ModelVersionFactory(sha256="a" * 64, name="facet-1")
    page = alice_client.get(reverse("model-list")).content.decode()
    assert page.index("facet-1 ") < page.index("old ")


def test_a_banner_tells_when_no_worker_is_alive(alice_client):
    from classifier.services import workers

    page = alice_client.get(reverse("collection-list")).content.decode()
    assert "No worker is running" in page
    workers.beat("w1", pid=1, device="cuda:0", model_version=factories.ModelVersionFactory())
    page = alice_client.get(reverse("collection-list")).content.decode()
    assert "No worker is running" not in page
    assert "1 worker running on a GPU with facet-test" in page


@pytest.mark.parametrize("status", [404, 403, 500])
def test_errors_have_pages_of_their_own(status, rf, db):
    from django.contrib.auth.models import AnonymousUser
    from django.views import defaults

    request = rf.get("/")
    request.user = AnonymousUser()
    view = {404: defaults.page_not_found, 403: defaults.permission_denied, 500: defaults.server_error}[status]
    response = view(request) if status == 500 else view(request, exception=Exception("no"))
    assert response.status_code == status
    assert "css/facet" in response.content.decode()


def test_made_up_host_names_are_refused_and_fill_no_log(client, caplog):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert [(record.name, record.exc_info) for record in caplog.records] == [("facet.access", None)]
