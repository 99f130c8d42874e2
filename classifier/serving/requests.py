"""One request as it comes in: its head is judged when it is whole, its body goes to the spool."""

import logging
from enum import StrEnum

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver

from classifier.serving.bodies import Account, Body, BodyTooLarge, ChunkedReceiver, TooMuchAtOnce
from classifier.serving.limits import Limits

logger = logging.getLogger("facet.serving")


class Refusal(StrEnum):
    """Why a body was not taken in; the application is asked without it, and tells."""

    TOO_LARGE = "too_large"
    TOO_MUCH_AT_ONCE = "too_much_at_once"
    NO_ROOM = "no_room"


class Request(HTTPRequestParser):
    """`address` is whom the bytes of its body are counted for; nobody for an empty one."""

    refusal: Refusal | None = None
    content_length: int
    body_rcv: FixedStreamReceiver | ChunkedReceiver | None

    def __init__(self, adj: Adjustments, *, limits: Limits, account: Account, address: str) -> None:
        super().__init__(adj)
        self._limits = limits
        self._account = account
        self._address = address

    @property
    def is_refused(self) -> bool:
        """Whether some of what the client sends is not read, so that the connection ends with the answer."""
        return bool(self.refusal or self.error)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds its body back until it is told to go on."""
        return bool(self.expect_continue and self.headers_finished and not self.completed)

    @property
    def is_in_body(self) -> bool:
        return self.body_rcv is not None and not self.completed

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
            return consumed
        except BodyTooLarge:
            self._refuse(Refusal.TOO_LARGE)
        except TooMuchAtOnce:
            self._refuse(Refusal.TOO_MUCH_AT_ONCE)
        except OSError as error:
            logger.error("a body cannot be spooled: %s", error.strerror)
            self._refuse(Refusal.NO_ROOM)
        return len(data)

    def parse_header(self, header_plus: bytes) -> None:
        """Waitress's own reading, then what it lets through: two lengths, heads of many fields, bodies too large."""
        if header_plus.count(b"\r\n") > self._limits.head_fields + 1:
            raise ParsingError("There are too many header fields")
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of numbers and addresses that only look like some
            raise ParsingError("The request cannot be read") from error
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("The length of the body is told in two ways")
        if self.body_rcv is not None:
            self._prepare_for_body()

    def close(self) -> None:
        if self.body_rcv is not None:
            self.body_rcv.getbuf().close()

    def _prepare_for_body(self) -> None:
        most = self._limits.max_body_bytes("/" + self.path.lstrip("/"))
        if self.content_length > most:
            self._refuse(Refusal.TOO_LARGE)
            return
        body = Body(folder=self._limits.spool, account=self._account, address=self._address)
        if self.chunked:
            self.body_rcv = ChunkedReceiver(body, max_bytes=most)
        else:
            self.body_rcv = FixedStreamReceiver(self.content_length, body)

    def _refuse(self, refusal: Refusal) -> None:
        self.close()
        self.refusal = refusal
        self.body_rcv = None
        self.content_length = 0
        self.completed = True
        self.headers["CONNECTION"] = "close"
