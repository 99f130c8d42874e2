"""What happens to every request: an id, a line in the log, room on a full disk, proxies, privacy, doors with limits."""

import uuid
from collections.abc import Callable
from time import monotonic
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from classifier.http import visitors
from classifier.services import attempts, audit, contention, disk
from classifier.views import failures
from webapp import logs

access_log = structlog.get_logger("facet.access")

PRIVATE = "private, no-store"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")  # the log repeats none that a client made up


class RequestIdMiddleware:
    """Every request gets an id, which errors, logs and the audit log repeat."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        address = visitors.find_address(request)
        with audit.during(audit.Origin(request.request_id, "" if address == visitors.UNKNOWN else address)):  # type: ignore[attr-defined]
            response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


class AccessLogMiddleware:
    """One line a request: its id, route, uids of what it was about and of whoever asked, status and time. No name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = monotonic()
        request_id = request.request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            access_log.info(
                "request",
                method=request.method if request.method in METHODS else "-",
                route=logs.route_of(request),
                **_find_uids(request),
                status=response.status_code,
                ms=round(1000 * (monotonic() - started), 1),
            )
        return response


def _find_uids(request: HttpRequest) -> dict[str, str]:
    """Those of the address, and of the person where somebody has looked who that is: the log asks no database."""
    match = request.resolver_match
    found = {name: str(value) for name, value in match.kwargs.items() if isinstance(value, uuid.UUID)} if match else {}
    user: Any = getattr(request, "_cached_user", None) or getattr(request, "user", None)
    if not isinstance(user, SimpleLazyObject) and getattr(user, "is_authenticated", False):
        found["user"] = str(user.uid)
    return found


class FullDiskMiddleware:
    """507 and what to do, whatever met the full disk; the reserve for those who come to make room or to log in."""

    # What makes room, and what leads there; the administration and every DELETE besides.
    entrances = {
        *("account_login", "account_logout", "account_reauthenticate", "mfa_authenticate"),
        *("photo-delete", "photo-delete-selected", "collection-delete", "account-delete"),
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


class BusyDatabaseMiddleware:
    """503 and when to come again, where others held what a page needed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return failures.answer_busy_database(request) if contention.is_busy(error) else None


class TrustedProxyMiddleware:
    """Where proxies are named, what anybody else says of a visitor's scheme or address is not heard."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TRUSTED_PROXIES and not visitors.comes_from_proxy(request):
            for header in ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_FOR"):
                request.META.pop(header, None)
        return self.get_response(request)


class PrivateAnswerMiddleware:
    """No browser and no proxy keeps an answer, unless its view said how long and for whom."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", PRIVATE)
        return response


class AttemptsMiddleware:
    """Forms sent to the pages of accounts are counted, and whoever sent too many is told when to come again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        door = request.resolver_match.url_name if request.resolver_match else None
        if request.method != "POST" or not door:
            return None
        account = request.user if request.user.is_authenticated else None
        try:
            attempts.take_door(door, visitor=visitors.find_address(request), account=account)
        except attempts.TooManyAttempts as refusal:
            return answer_refusal(request, refusal)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer_refusal(request, error) if isinstance(error, attempts.TooManyAttempts) else None


def answer_refusal(request: HttpRequest, refusal: attempts.TooManyAttempts) -> HttpResponse:
    """The page that says for how long."""
    answer = render(request, "429.html", {"seconds": refusal.seconds}, status=429)
    answer["Retry-After"] = str(refusal.seconds)
    return answer
