"""Draws and reviews in the admin: seen, exported, and faces retired by them."""

import re

from django.urls import reverse

from classifier.models import AuditEvent, Face, Review
from classifier.services.reviews import drawing, photos


def act(client, name):
    address = reverse("admin:classifier_review_changelist")
    keys = list(Review.objects.values_list("pk", flat=True))
    return client.post(address, {"action": name, "_selected_action": keys}, follow=True)


def test_faces_that_are_said_to_be_none_are_retired_and_no_others(adam_client, instance):
    assert "1 face was retired" in act(adam_client, "retire_faces").content.decode()
    retired = Face.objects.exclude(retired_at=None)
    assert [(face.pk, face.retired_because) for face in retired] == [(instance.faces[1].pk, "not_a_face")]
    instance.done.refresh_from_db()
    assert instance.done.face_count == 1
    assert AuditEvent.objects.get(action="faces retired").details["faces"] == [str(instance.faces[1].uid)]


def test_reviews_are_exported(adam_client, instance):
    lines = act(adam_client, "export").content.decode().splitlines()
    assert len(lines) == 3
    assert str(instance.faces[0].uid) in lines[1] + lines[2]
    assert AuditEvent.objects.filter(action="reviews exported").exists()


def test_a_draw_of_faces_or_photos_tells_how_far_it_is(adam_client, instance, alice, adam):
    of_photos = drawing.begin_photo_draw(instance.collection, creator=alice, size=1)
    for reviewer in (alice, adam):
        photos.mark_photo(of_photos, photo=instance.done, reviewer=reviewer, marks=[[0.5, 0.5]])
    page = adam_client.get(reverse("admin:classifier_draw_changelist")).content.decode()
    told = re.findall(r'<td class="field-(kind|answered|reviewers)">(\w+)</td>', page)
    assert [word for _, word in told] == ["photos", "1", "2", "faces", "2", "1"]
