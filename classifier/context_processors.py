"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from classifier.services import workers


def site(request: HttpRequest) -> dict[str, Any]:
    """`readiness` is asked of the database only by pages that show it."""
    return {
        "signup_is_open": settings.FACET_SIGNUP == "open",
        "signup_mode": settings.FACET_SIGNUP,
        "readiness": SimpleLazyObject(workers.readiness),
    }
