"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    return {"signup_is_open": settings.FACET_SIGNUP == "open", "signup_mode": settings.FACET_SIGNUP}
