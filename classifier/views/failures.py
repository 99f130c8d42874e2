"""Pages for what went wrong where no view could say so: `webapp.urls` names them as handlers."""

import logging
import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.views import defaults

from classifier.services import disk

logger = logging.getLogger("facet.disk")

INSUFFICIENT_STORAGE = 507


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Also a session that could not be written: Django takes it for one that is gone."""
    return answer_full_disk(request) if disk.is_full(exception) else defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """What broke outside of a view, while a body was read or a session stored, say."""
    return answer_full_disk(request) if disk.is_full(sys.exception()) else defaults.server_error(request)


def answer_full_disk(request: HttpRequest) -> HttpResponse:
    """507 in the form that whoever asks can read; none of them needs the database."""
    request_id = getattr(request, "request_id", "")
    logger.warning("request %s: the disk is full", request_id)
    if request.path.startswith("/api/"):
        error = {"code": "storage_full", "message": disk.FULL_SENTENCE, "details": {}}
        return JsonResponse({"error": error, "request_id": request_id}, status=INSUFFICIENT_STORAGE)
    if request.headers.get("HX-Request"):
        headers = {"X-Code": "storage_full"}
        plain = "text/plain; charset=utf-8"
        return HttpResponse(disk.FULL_SENTENCE, status=INSUFFICIENT_STORAGE, content_type=plain, headers=headers)
    return HttpResponse(render_to_string("507.html"), status=INSUFFICIENT_STORAGE)
