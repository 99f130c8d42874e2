"""Bodies that are larger than their address takes are answered before anything reads them.

The web server hands over such a request without its body; the middleware tells people and programs, each in their way,
and holds the same limits under any other server.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from rest_framework.exceptions import APIException, Throttled

from classifier.api import errors
from classifier.http.body_limits import max_body_bytes
from classifier.http.refusals import RETRY_SECONDS
from classifier.services import refusals
from classifier.serving.answers import REFUSED
from classifier.serving.requests import Refusal

API_PATH = "/api/"


class BodyLimitMiddleware:
    """Stands before everything that reads a body: sessions do not, but the CSRF check does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal = find_refusal(request)
        return tell_refusal(request, refusal=refusal) if refusal else self.get_response(request)


def find_refusal(request: HttpRequest) -> Refusal | None:
    """Why the body of this request is not taken: the web server says so, or its own length does."""
    if refused := request.META.get(REFUSED):
        return Refusal(refused)
    return Refusal.TOO_LARGE if _length(request) > max_body_bytes(request.path_info) else None


def tell_refusal(request: HttpRequest, *, refusal: Refusal) -> HttpResponse:
    """The API's JSON, a sentence for the page's script, or a page."""
    error = _as_api_error(request, refusal=refusal)
    headers = {"Retry-After": str(RETRY_SECONDS)} if refusal is Refusal.TOO_MUCH_AT_ONCE else {}
    if request.path_info.startswith(API_PATH):
        body = {"error": errors.describe(error), "request_id": getattr(request, "request_id", "")}
        return JsonResponse(body, status=error.status_code, headers=headers)
    code, message = _for_people(request, refusal=refusal)
    if request.headers.get("HX-Request"):
        headers |= {"X-Code": code}
        return HttpResponse(
            message, status=error.status_code, content_type="text/plain; charset=utf-8", headers=headers
        )
    page = loader.render_to_string("body_refused.html", {"message": message})
    return HttpResponse(page, status=error.status_code, headers=headers)


def _length(request: HttpRequest) -> int:
    """What the head says; 0 where it says nothing, and the body is read in pieces up to the limit."""
    told = request.META.get("CONTENT_LENGTH") or ""
    return int(told) if told.isascii() and told.isdecimal() else 0


def _as_api_error(request: HttpRequest, *, refusal: Refusal) -> APIException:
    match refusal:
        case Refusal.NO_ROOM:
            return errors.UploadRefused(refusals.StorageFull())
        case Refusal.TOO_MUCH_AT_ONCE:
            return Throttled(wait=RETRY_SECONDS)
    most, length = max_body_bytes(request.path_info), _length(request)
    if not length:
        return errors.BodyTooLarge(f"This body has more than the {most} bytes that are allowed here.")
    details = {"bytes": length, "max_bytes": most}
    return errors.BodyTooLarge(f"This body has {length} bytes; {most} are allowed here.", details=details)


def _for_people(request: HttpRequest, *, refusal: Refusal) -> tuple[str, str]:
    """A code for the script and a sentence."""
    match refusal:
        case Refusal.NO_ROOM:
            return refusals.StorageFull.code, refusals.StorageFull.sentence
        case Refusal.TOO_MUCH_AT_ONCE:
            return "throttled", f"Too much comes from your address at once. Go on in {RETRY_SECONDS} s."
    most = max_body_bytes(request.path_info)
    if most == settings.MAX_REQUEST_BYTES:
        sentence = f"One upload may hold {most // 1024**2} MB. Send the rest in another one."
    else:
        sentence = f"A form may hold {most / 1024**2:g} MB here, and nothing was changed."
    return "request_too_large", sentence
