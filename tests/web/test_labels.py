"""Labels from elsewhere on the site: a table comes in, and what matched, or what is wrong with it, is told."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from classifier.models import Draw, Review
from tests.services.reviews.made_up import add_faces

HEAD = "file,reviewed_race,reviewer"


@pytest.fixture
def send(alice_client, collection):
    add_faces(collection, ["White"] * 6)
    address = reverse("collection-labels", args=[collection.uid])

    def post(*lines, **sent):
        file = SimpleUploadedFile("labels.csv", "\n".join([HEAD, *lines]).encode(), "text/csv")
        return alice_client.post(address, {"table": file, "source": "reference", **sent})

    return post


def test_a_table_comes_in_and_what_matched_is_told(send, alice_client, collection):
    page = send("0.jpg,Black,ann", "0.jpg,White,ben", "1.jpg,cannot tell,ann").content.decode()
    assert "3 lines matched 2 faces" in page
    assert "3 new labels" in page
    assert "Reference labels from a file: 3, of 2 faces" in page
    again = send("0.jpg,White,ann", source="self_identified").content.decode()
    assert "1 new label." in again
    assert "1 took the place" in send("0.jpg,Indian,ann").content.decode()
    assert not Review.objects.in_draws().exists()
    assert not Draw.objects.exists()
    new, home = reverse("draw-new", args=[collection.uid]), reverse("review-home")
    address = reverse("collection-labels", args=[collection.uid])
    assert all(f'href="{address}"' in alice_client.get(page).content.decode() for page in (new, home))


def test_lines_that_are_wrong_keep_the_file_out_and_those_of_other_faces_may_be_left_out(send):
    page = send("0.jpg,Martian,ann", "9.jpg,White,ann").content.decode()
    assert "Nothing of this file was kept" in page
    assert "line 2: &#x27;Martian&#x27; is no answer about race" in page
    assert "line 3: there is no such face" in page
    assert not Review.objects.exists()
    part = send("0.jpg,White,ann", "9.jpg,White,ann", leaves_out_unknown="on").content.decode()
    assert "1 line matched 1 face" in part
    assert "1 line left out" in part
    assert "line 3: there is no such face" in part
    assert "Nothing of this file" in send("9.jpg,White,ann", leaves_out_unknown="on").content.decode()
    twice = send("1.jpg,White,ann", "1.jpg,White,ann", "1.jpg,Black,ann").content.decode()
    assert "line 4: says something else of the face of line 2, by the same reviewer" in twice
    assert Review.objects.count() == 1


def test_a_random_draw_is_one_on_the_word_of_whoever_sends_it(send, alice_client):
    page = send(*(f"{n}.jpg,White,ann" for n in range(4)), is_random_draw="on").content.decode()
    draw = Draw.objects.get()
    assert (draw.declared_by, draw.size) == ("alice", 4)
    assert f'href="{reverse("draw-detail", args=[draw.uid])}"' in page
    assert "of which alice says that it was random" in page
    home = alice_client.get(reverse("review-home"))
    assert (home.context["waiting"], home.context["waiting_draws"]) == ([], 0)  # nobody is asked to answer again
    assert "4 faces, labelled elsewhere" in home.content.decode()
    assert "alice declares to be of faces drawn at random" in alice_client.get(
        reverse("draw-detail", args=[draw.uid])
    ).content.decode().replace("\n", " ")


def test_what_is_no_table_is_told_on_the_form(send, alice_client, collection, settings):
    address = reverse("collection-labels", args=[collection.uid])
    assert "No table was chosen." in alice_client.post(address, {"source": "reference"}).content.decode()
    assert "Select a valid choice" in send("0.jpg,White,ann", source="person").content.decode()
    settings.MAX_TABLE_BYTES = 4
    assert "A table may have" in send("0.jpg,White,ann").content.decode()


def test_a_long_table_takes_no_query_a_row(collection, alice, django_assert_max_num_queries):
    from classifier.services.reviews import importing

    add_faces(collection, ["White"] * 900)
    content = "\n".join([HEAD, *(f"{n}.jpg,Black,ann" for n in range(900))]).encode()
    for count in ((900, 0), (0, 900)):
        with django_assert_max_num_queries(30):
            found = importing.import_labels(collection, content=content, actor=alice, source="reference")
        assert (found.new, found.replaced) == count
    assert Review.objects.standing().count() == 900
    assert Review.objects.exclude(replaces=None).count() == 900
