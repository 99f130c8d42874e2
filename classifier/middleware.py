"""What happens to every request: an id, the word of proxies, answers that stay private, and doors with limits."""

import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from classifier import visitors
from classifier.services import attempts

PRIVATE = "private, no-store"


class RequestIdMiddleware:
    """Every request gets an id, which errors and logs repeat."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


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
