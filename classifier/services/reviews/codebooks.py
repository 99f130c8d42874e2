"""The text that tells reviewers what the questions mean: our own to begin with, then version after version."""

from django.db import transaction
from django.db.models import Max

from classifier.models import Codebook, Collection, User

DEFAULT_TEXT = """\
You say how a face looks to you, not what a person is. Answer as you would describe somebody in the street whom you \
do not know.

Perceived group: the group that most people in your surroundings would take this person for, by the face alone. Do not \
guess from clothes, place, names or what you know of the person. Of two groups that seem equally likely take the one \
that came to mind first.

Perceived gender: what most people would take this person for at first sight.

Perceived age: the band that you would guess. With children under three, 0 to 2.

Cannot tell: the face is too small, blurred, dark, turned away or covered to say, or you would only toss a \
coin between more than two answers. It is a full answer: do not guess to avoid it.

Not a face: a pattern, an animal, the back of a head. Painted, drawn and printed faces of people are faces.

Skip puts a face off. It comes back at the end."""


def current_text(collection: Collection) -> str:
    """What a new draw of a collection starts with: its latest version, or ours."""
    latest = collection.codebooks.order_by("-version").values_list("text", flat=True).first()
    return latest or DEFAULT_TEXT


def keep_codebook(collection: Collection, *, text: str, author: User) -> Codebook:
    """The version with this text: the latest one if it says the same, else a new one."""
    text = text.strip() or DEFAULT_TEXT
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        latest = collection.codebooks.order_by("-version").first()
        if latest and latest.text == text:
            return latest
        newest = collection.codebooks.aggregate(newest=Max("version"))["newest"] or 0
        return Codebook.objects.create(collection=collection, version=newest + 1, text=text, created_by=author)
