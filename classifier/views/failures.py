"""Pages for what went wrong where no view could say so: `webapp.urls` names them as handlers."""

import logging
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.views import defaults

from classifier.http.refusals import RETRY_SECONDS
from classifier.services import contention, disk

logger = logging.getLogger("facet.disk")

SERVICE_UNAVAILABLE, INSUFFICIENT_STORAGE = 503, 507


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Also a session that could not be written: Django takes it for one that is gone."""
    return _answer_known(request, exception) or defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """What broke outside of a view, while a body was read or a session stored, say."""
    return _answer_known(request, sys.exception()) or defaults.server_error(request)


def answer_full_disk(request: HttpRequest) -> HttpResponse:
    """507 in the form that whoever asks can read."""
    logger.warning("request %s: the disk is full", getattr(request, "request_id", ""))
    return _answer(request, code="storage_full", sentence=disk.FULL_SENTENCE, status=INSUFFICIENT_STORAGE)


def answer_busy_database(request: HttpRequest) -> HttpResponse:
    """503 in the form that whoever asks can read, and when to come again."""
    logger.warning("request %s: others held what it needed", getattr(request, "request_id", ""))
    response = _answer(request, code="unavailable", sentence=contention.SENTENCE, status=SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _answer_known(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    if disk.is_full(error):
        return answer_full_disk(request)
    return answer_busy_database(request) if contention.is_busy(error) else None


def _answer(request: HttpRequest, *, code: str, sentence: str, status: int) -> HttpResponse:
    """For programs, parts of pages, or as a page; none of them needs the database."""
    if request.path.startswith("/api/"):
        error = {"code": code, "message": sentence, "details": {}}
        return JsonResponse({"error": error, "request_id": getattr(request, "request_id", "")}, status=status)
    if request.headers.get("HX-Request"):
        plain = "text/plain; charset=utf-8"
        return HttpResponse(sentence, status=status, content_type=plain, headers={"X-Code": code})
    return HttpResponse(render_to_string(f"{status}.html", {"sentence": sentence}), status=status)
