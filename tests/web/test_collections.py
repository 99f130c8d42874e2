"""Collections: the list, making, changing and deleting one, and the progress of the worker."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from classifier.models import Codebook, Collection, Draw, Job, Photo, Review, State, User
from classifier.services import analysis, summaries, workers
from classifier.services.reports import caching, reading
from classifier.terms import TERMS_VERSION
from tests import factories, pictures

NEW = {
    "name": "Front pages",
    "purpose": "a study",
    "attributes": ["race", "age"],
    "taxonomy": "utkface-5",
    "detail": "fast",
    "retention_days": "30",
}


def test_without_a_collection_the_list_teaches(alice_client):
    page = alice_client.get(reverse("collection-list")).content.decode()
    assert "A collection is a set of photos" in page
    assert "Make your first collection" in page


def test_the_list_tells_counts_and_shares(alice, alice_client, gallery):
    caching.read_answer(gallery, question=reading.default_question(gallery), user=alice)
    page = alice_client.get(reverse("collection-list")).content.decode()
    for words in ("5 photos", "2 faces", "1 failed", "2 to do", "Perceived group, counted labels"):
        assert words in page
    found = dict(re.findall(r'class="name">([^<]+)<.*?class="share n">([^<]+)<', page, re.DOTALL))
    assert found["Black"] == "100\N{NO-BREAK SPACE}%"
    assert found["model unsure"] == "0\N{NO-BREAK SPACE}%"


def test_the_list_needs_the_same_queries_for_many_collections(alice, alice_client, django_assert_num_queries):
    for _ in range(2):
        factories.make_face(factories.make_photo(factories.CollectionFactory(owner=alice)))
    with django_assert_num_queries(10):
        alice_client.get(reverse("collection-list"))
    for _ in range(6):
        factories.make_face(factories.make_photo(factories.CollectionFactory(owner=alice)))
    with django_assert_num_queries(10):
        alice_client.get(reverse("collection-list"))


def tell_shares(collection: Collection, *, user: User) -> dict[str, int]:
    """The faces of each group, as the collection's page and card tell them."""
    collection = Collection.objects.get(pk=collection.pk)
    caching.read_answer(collection, question=reading.default_question(collection), user=user)
    report = caching.read_summaries([collection], reader=user)[collection.pk].report
    return {row.label: row.n for row in report.tables[0].rows if row.n}


def test_shares_follow_the_grouping_of_the_collection(alice):
    collection = factories.CollectionFactory(owner=alice, taxonomy="utkface-4")
    for race in ("East Asian", "Southeast Asian", "White"):
        factories.make_face(factories.make_photo(collection), race=race)
    assert tell_shares(collection, user=alice) == {"Asian": 2, "White": 1}


def test_shares_are_counted_anew_when_photos_change(alice, collection):
    factories.make_face(factories.make_photo(collection), race="White")
    before = tell_shares(collection, user=alice)
    factories.make_face(factories.make_photo(collection), race="Indian")
    Collection.objects.note_change([collection.pk])
    assert before == {"White": 1}
    assert tell_shares(collection, user=alice) == {"White": 1, "Indian": 1}


def test_making_a_collection_holds_the_declaration(alice, alice_client):
    response = alice_client.post(reverse("collection-create"), NEW)
    assert "Photos can only be added under this declaration." in response.content.decode()
    assert not Collection.objects.exists()
    response = alice_client.post(reverse("collection-create"), NEW | {"declaration": "on"})
    collection = Collection.objects.get()
    assert response.url == reverse("collection-detail", args=[collection.uid])
    assert collection.attributes == ["race", "age"]
    assert (collection.terms_version, collection.terms_accepted_by) == (TERMS_VERSION, alice)


def test_a_collection_without_purpose_or_attributes_is_told_why(alice_client):
    response = alice_client.post(reverse("collection-create"), {"name": "x", "declaration": "on"})
    errors = response.context["form"].errors
    assert {"purpose", "attributes", "taxonomy"} <= errors.keys()
    assert "Choose at least one" in response.content.decode()


def test_editing_keeps_the_declaration(alice_client, collection):
    before = collection.terms_accepted_at
    response = alice_client.post(reverse("collection-edit", args=[collection.uid]), NEW | {"name": "Back pages"})
    assert response.status_code == 302
    collection.refresh_from_db()
    assert (collection.name, collection.terms_accepted_at, collection.detail) == ("Back pages", before, "fast")


def test_switching_an_attribute_off_removes_what_is_stored_of_it(alice_client, collection):
    face = factories.make_face(factories.make_photo(collection))
    address = reverse("collection-edit", args=[collection.uid])
    assert "of photos that are here already it is removed" in alice_client.get(address).content.decode()
    assert alice_client.post(address, NEW | {"confirms_removal": ["gender"]}).status_code == 302
    prediction = face.predictions.get()
    assert ("gender" in prediction.vectors, prediction.predicted_label("gender")) == (False, "")
    assert prediction.vectors["race"]


def test_results_that_go_with_an_attribute_are_counted_and_asked_about_first(alice_client, collection):
    photo = factories.make_photo(collection)
    for number in (1, 2):
        factories.make_face(photo, number=number)
    address = reverse("collection-edit", args=[collection.uid])
    only_age = NEW | {"attributes": ["age"]}
    for confirmed in ([], ["gender"]):  # a confirmation holds for what it names
        page = alice_client.post(address, only_age | {"confirms_removal": confirmed}).content.decode()
        assert "deletes for good 2 results of perceived group, and 2 results of perceived gender." in page
        assert "Delete 2 results of perceived group" in page
        assert "Delete 2 results of perceived gender" in page
        assert "perceived age" not in page
        collection.refresh_from_db()
        assert collection.attributes == ["race", "gender", "age"]
    confirmed = only_age | {"confirms_removal": ["race", "gender"]}
    page = alice_client.post(address, confirmed, follow=True).content.decode()
    assert "Deleted: 2 results of perceived gender." in page
    collection.refresh_from_db()
    assert collection.attributes == ["age"]


def test_what_people_said_of_an_attribute_is_counted_too(alice_client, collection, rita):
    face = factories.make_face(factories.make_photo(collection))
    codebook = Codebook.objects.create(collection=collection, version=1, text="Look closely.")
    drawn = {"narrowest_px": 20, "seed": 1, "size": 1, "codebook": codebook, "strata_attribute": "gender"}
    draw = Draw.objects.create(collection=collection, **drawn)
    Review.objects.create(
        face=face, draw=draw, reviewer=rita, reviewer_uid=rita.uid, was_blind=True, answers={"gender": "Male"}
    )
    page = alice_client.post(reverse("collection-edit", args=[collection.uid]), NEW).content.decode()
    assert "Delete 1 result, 1 review and 1 draw of perceived gender" in page
    assert Review.objects.get().answers


def test_an_attribute_without_results_goes_without_a_question(alice_client, collection):
    factories.make_photo(collection)
    page = alice_client.post(reverse("collection-edit", args=[collection.uid]), NEW, follow=True)
    assert page.redirect_chain
    assert "Saved." in page.content.decode()


def test_all_photos_are_computed_again_from_the_page_that_brings_an_attribute_back(alice_client, collection):
    address = reverse("collection-edit", args=[collection.uid])
    assert "Compute again" not in alice_client.get(address).content.decode()
    done, _, waiting = (factories.make_photo(collection, state=state) for state in ("done", "failed", "queued"))
    assert "Compute again for all 2 photos" in alice_client.get(address).content.decode()
    page = alice_client.post(address, NEW | {"computes_again": "on"}, follow=True).content.decode()
    assert "2 photos are queued again." in page
    assert {photo.state for photo in Photo.objects.all()} == {State.QUEUED}
    assert Photo.objects.get(pk=done.pk).turn > Photo.objects.get(pk=waiting.pk).turn
    alice_client.post(address, NEW)
    assert Photo.objects.filter(state=State.QUEUED).count() == 3


def test_deleting_asks_first_and_then_leaves_nothing(alice_client, gallery, media):
    address = reverse("collection-delete", args=[gallery.uid])
    assert "5 photos" in alice_client.get(address).content.decode()
    assert alice_client.post(address).url == reverse("collection-list")
    assert not Photo.objects.filter(collection_id=gallery.pk).exists()
    assert not list(media.rglob("*.jpg"))


def test_the_sums_add_up(alice_client, gallery):
    response = alice_client.get(reverse("collection-detail", args=[gallery.uid]))
    counts = response.context["counts"]
    assert counts.photos == counts.queued + counts.running + counts.done + counts.failed == 5
    assert (counts.no_face, counts.faces) == (1, 2)


def test_progress_is_asked_for_until_all_is_finished(
    alice_client, collection, django_capture_on_commit_callbacks, settings
):
    settings.PIPELINE = "tests.fakes.FakePipeline"
    for _ in range(3):
        factories.make_photo(collection, state=State.QUEUED)
    address = reverse("collection-progress", args=[collection.uid])
    fragment = alice_client.get(address).content.decode()
    assert "every 2s" in fragment
    assert "0 of 3" in fragment
    while analysis.run_once():
        pass
    tiles = {"tile": [str(photo.uid) for photo in collection.photos.all()] + ["nonsense"]}
    fragment = alice_client.get(address, tiles).content.decode()
    assert "every 2s" not in fragment
    assert fragment.count('hx-swap-oob="true"') == 3
    assert fragment.count('class="face"') == 3


def test_the_total_of_a_run_never_shrinks_while_the_queue_empties(collection):
    early, late = timezone.now() - timezone.timedelta(minutes=2), timezone.now()
    factories.make_photo(collection, state=State.QUEUED, queued_at=early)
    factories.make_photo(collection, state=State.QUEUED, queued_at=late)
    run = summaries.measure_run(collection)
    assert (run.total, run.finished, run.since) == (2, 0, early)
    Photo.objects.filter(queued_at=early).update(state=State.DONE, started_at=early, finished_at=timezone.now())
    run = summaries.measure_run(collection, since=run.since)
    assert (run.total, run.finished) == (2, 1)
    # The speed is that of the last 20 s: one photo in them, and one more to do.
    assert run.per_second == pytest.approx(1 / 20)
    assert run.seconds_left == pytest.approx(20)


def test_a_run_that_has_just_begun_is_measured_from_its_first_photo(collection):
    begun = timezone.now() - timedelta(seconds=8)
    for state in (State.DONE, State.DONE, State.QUEUED, State.QUEUED, State.QUEUED, State.QUEUED):
        factories.make_photo(collection, state=state, queued_at=begun, started_at=begun)
    run = summaries.measure_run(collection, since=begun)
    assert run.per_second == pytest.approx(2 / 8, rel=0.2)
    assert run.seconds_left == pytest.approx(4 / run.per_second)


def test_without_a_photo_finished_lately_no_speed_is_told(collection):
    long_ago = timezone.now() - timedelta(minutes=2)
    for state in (State.DONE, State.QUEUED):
        factories.make_photo(collection, state=state, queued_at=long_ago, started_at=long_ago)
    Photo.objects.filter(state=State.DONE).update(finished_at=long_ago)
    run = summaries.measure_run(collection, since=long_ago)
    assert (run.total, run.finished, run.per_second, run.seconds_left) == (2, 1, None, None)


@pytest.mark.parametrize(("waits_long", "is_told"), [(Photo, True), (Job, False)])
def test_a_gallery_says_that_the_queue_stands_still_only_of_photos(alice_client, collection, waits_long, is_told):
    workers.beat("worker", pid=1, device="cpu", model_version=factories.ModelVersionFactory())
    Job.objects.create(owner=collection.owner, kind=Job.Kind.EXPLANATION)
    factories.make_photo(collection, state=State.QUEUED)
    waits_long.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    page = alice_client.get(reverse("collection-progress", args=[collection.uid])).content.decode()
    assert "analysed 0 of 1" in page
    assert ("the queue is not moving" in page) == is_told


def test_a_progress_address_with_nonsense_is_answered(alice_client, gallery):
    last_of_all = "9999-12-31T23:59:59-14:00"
    for since in ("yesterday", "2026-99-99T00:00:00+00:00", "2026-01-01T00:00:00", last_of_all):
        response = alice_client.get(reverse("collection-progress", args=[gallery.uid]), {"since": since})
        assert response.status_code == 200


def test_running_failed_photos_again(alice_client, gallery):
    response = alice_client.post(reverse("photo-run-again-failed", args=[gallery.uid]), follow=True)
    assert "1 photo is queued again." in response.content.decode()
    assert gallery.photos.get(name="broken.jpg").state == State.QUEUED


def test_tiles_that_come_later_keep_the_chosen_grouping(alice_client, gallery):
    chosen = {"taxonomy": "utkface-4"}
    page = alice_client.get(reverse("collection-detail", args=[gallery.uid]), chosen).text
    assert f'hx-get="{reverse("collection-progress", args=[gallery.uid])}?' in page
    assert 'taxonomy=utkface-4"' in page.partition('id="progress"')[2].partition(">")[0]
    tiles = {"tile": [str(photo.uid) for photo in gallery.photos.filter(face_count__gt=0)]}
    fragment = alice_client.get(reverse("collection-progress", args=[gallery.uid]), chosen | tiles).text
    links = [part.partition('"')[0] for part in fragment.split('class="face"')[0].split('href="')[1:]]
    assert links
    assert all("taxonomy=utkface-4" in link for link in links)
    alice_client.post(
        reverse("photo-upload", args=[gallery.uid]), {"images": [SimpleUploadedFile("a.jpg", pictures.jpeg())]}
    )
    address = reverse("collection-detail", args=[gallery.uid])
    fragment = alice_client.get(address, chosen, headers={"HX-Request": "true"}).text
    assert "a.jpg" in fragment
    assert "taxonomy=utkface-4" in fragment.partition('href="')[2].partition('"')[0]
