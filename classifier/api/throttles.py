"""How often the API may be asked: counted for each token (or browser session) and for each person over all of them."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from classifier.models import AccessToken
from classifier.services import rates

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module


class SharedRateThrottle(BaseThrottle):
    """Counts in `services.rates`, so that the limits hold over all processes; anonymous requests end in 401 before."""

    seconds_to_wait = 0.0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return True
        source = f"token:{request.auth.uid}" if isinstance(request.auth, AccessToken) else f"session:{request.user.pk}"
        for key, scope in ((source, "api"), (f"user:{request.user.pk}", "user")):
            rate = rates.parse_rate(str(api_settings.DEFAULT_THROTTLE_RATES[scope]))
            self.seconds_to_wait = rates.take(key, rate=rate)
            if self.seconds_to_wait:
                return False
        return True

    def wait(self) -> float:
        return self.seconds_to_wait
