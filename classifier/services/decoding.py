"""What reading one submission's photos may cost: CPU time of the decoders, counted for the request and the person."""

import threading

from django.conf import settings

from classifier.intake.formats import BadImage
from classifier.intake.pool import Payer
from classifier.models import User
from classifier.services import rates

SETTLE_SECONDS = 2.0  # how much may be spent before it is written down for other processes to see


class Budget:
    """CPU time of one submission: decoding threads spend it, the thread of the request writes it down.

    Files that have begun are finished, so that it may be exceeded by those; none begins after it is used up.
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self._lock = threading.Lock()
        self._spent = self._settled = 0.0
        self._wait = 0.0
        self.payer = Payer(user.pk, self._spend)

    def check(self) -> None:
        """Raises BadImage when no further file may be read. Leaves the database alone."""
        if self._wait:
            raise BadImage("person_used_up", minutes=max(1, round(self._wait / 60)))
        if self._spent >= settings.DECODE_REQUEST_SECONDS:
            raise BadImage("request_used_up")

    def settle(self, *, at_least: float = 0.0) -> None:
        """Write down what was spent since the last time, if it is more than `at_least` seconds."""
        with self._lock:
            unsettled = self._spent - self._settled
            if unsettled <= at_least:
                return
            self._settled = self._spent
        self._wait = rates.charge_decoding(self._user, seconds=unsettled)

    def _spend(self, seconds: float) -> None:
        with self._lock:
            self._spent += seconds
