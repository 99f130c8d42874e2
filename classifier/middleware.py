"""Every request gets an id, which errors and logs repeat; a full disk is answered as one."""

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from classifier.services import disk
from classifier.views import failures

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


class FullDiskMiddleware:
    """507 and what to do, whatever met the full disk; the reserve for those who come to make room or to log in."""

    # What makes room, and what leads there; the administration and every DELETE besides.
    entrances = {
        *("account_login", "account_logout", "account_reauthenticate", "mfa_authenticate"),
        *("photo-delete", "photo-delete-selected", "collection-delete"),
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Where an attempt cannot be counted it is taken for one too many.
        if response.status_code == 429 and disk.measure().is_full:
            return failures.answer_full_disk(request)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        found = request.resolver_match
        if request.method in SAFE_METHODS or found is None:
            return
        if request.method == "DELETE" or "admin" in found.namespaces or found.url_name in self.entrances:
            disk.make_room()

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not disk.is_full(error):
            return None
        if request.method in SAFE_METHODS:
            disk.make_room()  # SQLite cannot even be read where it cannot open its log; the next try finds room
        return failures.answer_full_disk(request)
