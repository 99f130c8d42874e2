"""What every page knows."""

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from classifier.services import disk, workers
from classifier.services.reviews import standing


def site(request: HttpRequest) -> dict[str, Any]:
    """`readiness` is asked of the database, and `disk` of the system, only by pages that show it."""
    return {
        "signup_is_open": settings.FACET_SIGNUP == "open",
        "signup_mode": settings.FACET_SIGNUP,
        "disk": SimpleLazyObject(disk.measure),
        "readiness": SimpleLazyObject(workers.readiness),
        "waiting_draws": SimpleLazyObject(partial(count_waiting_draws, request)),
    }


def count_waiting_draws(request: HttpRequest) -> int:
    """The draws in which somebody's answers are waited for."""
    return standing.count_waiting_draws(request.user) if request.user.is_authenticated else 0
