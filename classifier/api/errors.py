"""One shape for every error: `{"error": {"code", "message", "details"}, "request_id"}`."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.core.signals import got_request_exception
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response

from classifier.http.refusals import RETRY_SECONDS, find_status, find_wait
from classifier.services import contention, disk, rates, refusals
from classifier.services.reviews import refusals as review_refusals

logger = logging.getLogger("facet.api")

READ_ONLY = "25006"  # SQLSTATE: a standby of PostgreSQL that is not promoted yet, or a primary that was demoted


class ApiError(exceptions.APIException):
    """An error with details of its own; `wait` seconds become Retry-After."""

    details: dict[str, Any] = {}
    wait: float | None = None

    def __init__(self, message: str | None = None, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = details or {}


class LengthMissing(ApiError):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_missing"
    default_detail = "Send the body with a Content-Length, not in chunks."


class BodyTooLarge(ApiError):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = "The body of this request is larger than this address takes."


class NoFiles(ApiError):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "no_files"
    default_detail = "Send at least one file, each in a field “images” (multipart/form-data)."


class KeepsNoDays(ApiError):
    """Days were to be kept of photos that are not."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "keeps_no_days"


class TermsNotAccepted(ApiError):
    status_code = status.HTTP_409_CONFLICT
    default_code = "terms_not_accepted"


class UploadRefused(ApiError):
    """A whole submission that `services.uploads` turned away; single files are told in the answer's items."""

    def __init__(self, refusal: refusals.UploadRefused) -> None:
        super().__init__(str(refusal))
        self.detail = exceptions.ErrorDetail(str(refusal), code=refusal.code)
        self.status_code = find_status(refusal)
        self.wait = find_wait(refusal)
        if refusal.wait:
            self.details = {"retry_after": self.wait}


class ReviewRefused(ApiError):
    """What `services.reviews` turned away: 400 for what cannot be read, 409 for what cannot be done, 429 for now."""

    def __init__(self, refusal: review_refusals.ReviewRefused) -> None:
        super().__init__(refusal.sentence, details=refusal.details)
        self.detail = exceptions.ErrorDetail(refusal.sentence, code=refusal.code)
        self.status_code = status.HTTP_400_BAD_REQUEST if refusal.is_malformed else status.HTTP_409_CONFLICT
        if refusal.wait:
            self.status_code, self.wait = status.HTTP_429_TOO_MANY_REQUESTS, refusal.wait


class Unavailable(ApiError):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The database cannot be reached right now."
    wait = RETRY_SECONDS


class Contended(Unavailable):
    """Others held what was asked about."""

    default_detail = contention.SENTENCE


class StorageFull(ApiError):
    """Whatever met the full disk."""

    status_code = status.HTTP_507_INSUFFICIENT_STORAGE
    default_code = "storage_full"
    default_detail = disk.FULL_SENTENCE


class Internal(ApiError):
    default_code = "internal"
    default_detail = "Something broke inside Facet. Its log names the cause beside this request's id."


def answer_error(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to whatever a view raised; what nobody foresaw is logged and told to the client without details."""
    request = context["request"]
    request_id = getattr(request, "request_id", "")
    known = recognise(error)
    if isinstance(known, Internal):
        logger.error("request %s broke", request_id, exc_info=error)
        got_request_exception.send(sender=type(context["view"]), request=request._request)
    elif isinstance(known, StorageFull):
        logger.warning("request %s: the disk is full", request_id)
    elif isinstance(known, Contended):
        logger.warning("request %s: others held what it needed", request_id)
    elif isinstance(known, Unavailable):
        logger.warning("request %s: the database cannot be reached (%s)", request_id, error)
    headers = {}
    if auth_header := getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(known, "wait", None):
        headers["Retry-After"] = str(rates.whole_seconds(wait))
    body = {"error": describe(known), "request_id": request_id}
    return Response(body, status=known.status_code, headers=headers)


def recognise(error: Exception) -> exceptions.APIException:
    """What the API calls an error, whoever raised it."""
    match error:
        case exceptions.APIException():
            return error
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case RequestDataTooBig():
            return BodyTooLarge()
        case TooManyFilesSent():
            return UploadRefused(refusals.TooManyFiles())
        case refusals.UploadRefused():
            return UploadRefused(error)
        case review_refusals.ReviewRefused():
            return ReviewRefused(error)
        case SuspiciousOperation() | UnreadablePostError():
            return exceptions.ParseError("The request is malformed.")
        case _ if disk.is_full(error):
            return StorageFull()
        case _ if contention.is_busy(error):
            return Contended()
        case OperationalError() | InterfaceError():
            return Unavailable()
        case InternalError() if getattr(error.__cause__, "sqlstate", "") == READ_ONLY:
            return Unavailable()
    return Internal()


def describe(error: exceptions.APIException) -> dict[str, Any]:
    """Code, message and details; where fields are wrong, `details` maps each to its messages."""
    match error:
        case exceptions.Throttled():
            seconds = rates.whole_seconds(getattr(error, "wait", None) or 1)
            message = f"Too many requests; ask again in {seconds} s."
            return {"code": "throttled", "message": message, "details": {"retry_after": seconds}}
        case exceptions.ValidationError():
            details = error.detail if isinstance(error.detail, dict) else {"request": error.detail}
            return {"code": "invalid", "message": _first_message(details), "details": details}
        case exceptions.NotAuthenticated():
            message = "Send a token in the header “Authorization: Token …”, or log in."
            return {"code": "not_authenticated", "message": message, "details": {}}
    return {
        "code": str(error.get_codes()),
        "message": str(error.detail),
        "details": getattr(error, "details", {}),
    }


def _first_message(details: Any, *, field: str = "") -> str:
    """The first message of nested field errors, led by its field: "wait: A number from 0 to 30." """
    if isinstance(details, dict):
        name, inner = next(iter(details.items()))
        return _first_message(inner, field=field or str(name))
    if isinstance(details, list):
        return _first_message(details[0], field=field)
    return f"{field}: {details}" if field not in ("", "request", "non_field_errors") else str(details)
