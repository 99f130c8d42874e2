"""The summary on top of a collection, and on its card."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from classifier.models import Collection, CollectionShare, State
from tests import factories
from tests.conftest import logged_in
from tests.web.test_reports import address, read

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_the_summary_tells_estimates_and_what_they_rest_on(alice_client, portraits):
    first = read(alice_client, "detail", portraits)
    assert "Who is pictured here" not in first  # nothing is computed while a page waits for it
    assert f'hx-get="{address("summary", portraits)}?shown="' in first
    CollectionShare.objects.create(collection=portraits, user=factories.UserFactory(username="reader"), role="read")
    fragment = read(alice_client, "summary", portraits)
    page = read(alice_client, "detail", portraits)
    for text in (fragment, page):
        assert "if the model errs here as on FairFace" in text
        assert "Appearances, not persons" in text
        assert f'href="{reverse("draw-new", args=[portraits.uid])}">Review a sample' in text
        heads = re.findall(r"<h3>(Perceived \w+)</h3>", text)
        assert heads == ["Perceived group", "Perceived gender", "Perceived age"]
        ages = text.split("Perceived age</h3>")[1]
        assert re.findall(r'class="name">([^<]+)', ages)[:5] == ["0-9", "10-19", "20-39", "40-59", "60+"]
        for part in ("whisker", "raw", "url(#hatch)", "show numbers"):
            assert part in text
        assert " style=" not in text.partition('id="summary"')[2]
    of_others = read(logged_in(CollectionShare.objects.get().user), "summary", portraits)
    assert "Appearances, not persons" in of_others
    assert "Review a sample" not in of_others


def test_the_summary_costs_the_page_one_query(alice_client, portraits):
    read(alice_client, "summary", portraits)
    with CaptureQueriesContext(connection) as counted:
        read(alice_client, "detail", portraits)
    told = [query["sql"] for query in counted if "report" in query["sql"].lower()]
    assert len(told) == 1
    assert '"content"' not in told[0]


def test_a_page_that_shows_the_same_gets_nothing_until_something_changes(alice_client, portraits):
    text = read(alice_client, "summary", portraits)
    shown = re.search(r"\?shown=([^\"]+)", text)[1]
    assert alice_client.get(f"{address('summary', portraits)}?shown={shown}").status_code == 204
    photo = factories.make_photo(portraits)
    factories.make_face(photo)
    Collection.objects.filter(pk=portraits.pk).note_answers()
    assert "From before the last changes" in read(alice_client, "detail", portraits)
    assert "Labels of 25 faces" in read(alice_client, "summary", portraits, f"?shown={shown}")


def test_while_photos_are_analysed_it_is_told_and_asked_again(alice_client, portraits):
    factories.make_photo(portraits, state=State.QUEUED)
    text = read(alice_client, "summary", portraits)
    assert "every 3s" in text
    assert "still being analysed" in text
    assert "One photo is not analysed yet" in read(alice_client, "report", portraits)
    portraits.photos.filter(state=State.QUEUED).delete()
    Collection.objects.filter(pk=portraits.pk).note_answers()
    assert "every 3s" not in read(alice_client, "summary", portraits)


def test_cards_tell_estimates_never_bare_counts(alice_client, portraits):
    text = alice_client.get(reverse("collection-list")).content.decode()
    assert f"{address('summary', portraits)}?card" in text
    card = read(alice_client, "summary", portraits, "?card")
    text = alice_client.get(reverse("collection-list")).content.decode()
    for found in (card, text):
        assert "Perceived group, corrected labels" in found
        assert 'class="whisker"' in found
    assert text.count('loading="lazy"') == 4
    assert "24 faces" in text
