"""What pages of review ask and send, and how they are refused."""

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import JsonResponse

from classifier.http.numbers import read_number
from classifier.models import Draw
from classifier.services.reviews.refusals import BadAnswer, ReviewRefused
from classifier.views.access import UserRequest

LONGEST_KEY = 40
MOST_COUNT = 999  # beyond it nobody means it
CLOSING = ("draw_ended",)  # refusals after which there is nothing more to answer


def find_draws(request: UserRequest) -> QuerySet[Draw]:
    """The draws that the reader of a page may answer in; everybody else gets 404."""
    return Draw.objects.reviewable_by(request.user).select_related("collection", "codebook")


def read_json(request: UserRequest) -> dict[str, Any]:
    """Raises BadAnswer("malformed")."""
    try:
        sent = json.loads(request.body)
        json.dumps(sent, ensure_ascii=False).encode()  # "\\ud800", half a character, can be neither stored nor sent
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise BadAnswer("malformed", "This is no answer.")
    return sent


def read_words(sent: Mapping[str, Any], *, name: str) -> str:
    """What somebody wrote, without NUL, which PostgreSQL stores in no text."""
    return str(sent.get(name) or "").replace("\x00", "")


def read_key(sent: Mapping[str, Any]) -> str:
    """The sender's name for an answer."""
    return read_words(sent, name="key")[:LONGEST_KEY]


def read_seconds(sent: dict[str, Any]) -> float | None:
    """How long somebody looked; None where that is no number that there can be."""
    seconds = sent.get("seconds")
    try:
        return float(seconds) if isinstance(seconds, int | float) else None
    except OverflowError:  # JSON has numbers of any length
        return None


def read_count(text: str, *, usual: int, most: int) -> int:
    """How many faces the page asks for."""
    count = read_number(text, most=MOST_COUNT)
    return usual if count is None else min(count, most)


def refuse(refusal: ReviewRefused) -> JsonResponse:
    """409, or 400 for what no page of ours sends: the script tells the sentence and does not send it again."""
    status = 400 if isinstance(refusal, BadAnswer) else 409
    error = {"code": refusal.code, "message": refusal.sentence, "closes": refusal.code in CLOSING}
    return JsonResponse({"error": error}, status=status)
