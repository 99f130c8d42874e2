"""Answers to requests that have come in whole: what waitress leaves to applications, and where it ends connections."""

from collections.abc import Callable, Iterable
from typing import Any

from waitress.task import WSGITask

from classifier.serving.requests import Request

REFUSED = "facet.body_refused"  # in the environment: a `Refusal`, where the body was not taken in

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Answer(WSGITask):
    """The application's answer to one request."""

    request: Request

    def start(self) -> None:
        super().start()
        if self.channel.server.is_stopping:
            self.request.headers["CONNECTION"] = "close"

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        if self.request.refusal:
            environ[REFUSED] = self.request.refusal
        return environ

    def set_close_on_finish(self) -> None:
        """Keep the connection after an answer that has no body, which waitress takes for one without a length."""
        asked_to_close = self.request.headers.get("CONNECTION", "").lower() == "close"
        is_complete = not self.has_body or (self.request.command == "HEAD" and not self.chunked_response)
        if asked_to_close or self.version != "1.1" or not is_complete:
            super().set_close_on_finish()

    def finish(self) -> None:
        if self.request.command == "HEAD":
            if not self.wrote_header:
                self.write(b"")
            self.chunked_response = False
        super().finish()


def without_bodies_for_head(application: Application) -> Application:
    """An application that answers HEAD as it answers GET, as Django does, and a server that sends the head of it."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if close := getattr(body, "close", None):
            close()
        return []

    return answer
