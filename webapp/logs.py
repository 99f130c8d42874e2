"""What a line of the log looks like, and what never stands in one: names, paths, words of errors that may hold them.

Facet's own lines hold ids alone. Here that is kept for those of libraries, and for errors, which repeat what they met.
"""

import logging
import re
import sqlite3
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands
from structlog.typing import EventDict, Processor

command_log = structlog.get_logger("facet.commands")

FORMATS = ("text", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# Whose words are about the machine or the code, never about what people sent: out of memory, no such module.
PLAIN_ERRORS = (AttributeError, ImportError, MemoryError, RuntimeError, sqlite3.Error)
PLAIN_PACKAGES = ("celery.", "kombu.", "redis.")
SWEEP = "classifier.tasks.sweep"
LEFT_OUT = "(its words are left out; FACET_DEBUG shows them)"
ERROR_KEYS = ("error", "exception")  # under which django-structlog puts an error's words beside the error itself
WAITRESS_PATH = re.compile(r"(while serving) .*", re.DOTALL)


def arrange(*, level: str, form: str, with_words: bool) -> dict[str, Any]:
    """Django's LOGGING. `with_words` leaves errors as they are, for those who work on Facet itself."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    level = level if level in LEVELS else "INFO"  # one that does not exist would end commands before a check names it
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "unexpected": {  # deliberate answers: 503 not ready, or the queue is full; 507 the disk is
                "()": "django.utils.log.CallbackFilter",
                "callback": lambda record: getattr(record, "status_code", 0) not in (503, 507),
            },
            "news": {  # a line every few seconds that nothing was to be done would hide the others
                "()": "django.utils.log.CallbackFilter",
                "callback": is_news,
            },
        },
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    leave_paths_out,
                    tell_error if not with_words else tell_whole_error,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *make_renderer(form),
                ],
            }
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "news_console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["news"]},
        },
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "facet": {"level": level},
            "django_structlog": {"handlers": ["news_console"], "level": level, "propagate": False},
            "django.request": {"level": "ERROR", "filters": ["unexpected"]},
            # Made-up host names are answered with 400: strangers shall not fill the log with a traceback for each.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # What it says of a task, `task_failed` says too, without the words of the error.
            "celery.app.trace": {"level": "CRITICAL"},
        },
    }


def is_news(record: logging.LogRecord) -> bool:
    """Not that a sweep, of which there is one every few seconds, went well."""
    event = record.msg if isinstance(record.msg, dict) else {}
    return record.levelno > logging.INFO or event.get("task") != SWEEP or event.get("event") != "task_succeeded"


def make_renderer(form: str) -> list[Processor]:
    """One object a line for machines, or for people, in colours where a terminal reads it."""
    if form == "json":
        return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    ]


def leave_paths_out(logger: Any, method: str, event: EventDict) -> EventDict:
    """Paths of requests hold keys that set passwords, and whatever a stranger writes there: the route tells enough."""
    record: logging.LogRecord | None = event.get("_record")
    request = getattr(record, "request", None)
    if request is not None and hasattr(request, "get_full_path"):
        for path in {request.get_full_path(), request.path, request.path_info} - {"", "/"}:
            event["event"] = str(event["event"]).replace(path, route_of(request))
    if record is not None and record.name.startswith("waitress"):
        event["event"] = WAITRESS_PATH.sub(r"\1", str(event["event"]))
    return event


def route_of(request: Any) -> str:
    """The pattern that a request's address fits, without the address itself; "-" where it fits none."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else "-"


def tell_error(logger: Any, method: str, event: EventDict) -> EventDict:
    """A traceback of places in the code, with the kinds of errors, and their words only where these hold no data."""
    error = _find_error(event)
    for key in ERROR_KEYS:
        event.pop(key, None)
    if error is not None:
        event["exception"] = describe(error)
    return event


def tell_whole_error(logger: Any, method: str, event: EventDict) -> EventDict:
    if (error := _find_error(event)) is not None:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def describe(error: BaseException) -> str:
    """The error and what led to it, the oldest first, as Python prints them but for words and lines of code."""
    parts = []
    for each in reversed(list(_led_to(error))):
        told = "".join(traceback.format_tb(each.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{told}{name_error(each)}")
    return "\n\n".join(parts)


def name_error(error: BaseException) -> str:
    """Its class, its code or number where it has one, and its words if nothing of what people sent is in them."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: [Errno {error.errno}] {error.strerror}"
    if sqlstate := getattr(error, "sqlstate", None):
        return f"{name}: {sqlstate} {getattr(error.diag, 'constraint_name', None) or ''}".rstrip()  # type: ignore[attr-defined]
    is_plain = isinstance(error, PLAIN_ERRORS) or isinstance(error.__cause__, sqlite3.Error)
    if is_plain or name.startswith(PLAIN_PACKAGES):
        return f"{name}: {error}"
    if isinstance(code := getattr(error, "code", None), str):  # Facet's own: a word for each kind
        return f"{name}: {code}"
    return f"{name} {LEFT_OUT}"


def _find_error(event: EventDict) -> BaseException | None:
    found: Any = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    return error if isinstance(error, BaseException) else None


def _led_to(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


@contextmanager
def told_command(words: Sequence[str]) -> Iterator[None]:
    """Tell at its end how long a command took and what it ended with, and whatever broke it without its words."""
    started, status = monotonic(), 0
    try:
        yield
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except KeyboardInterrupt:
        status = 130
        raise
    except ImproperlyConfigured:
        status = 1
        raise
    except Exception:  # noqa: BLE001 - whatever broke ends the command here
        status = 1
        command_log.exception("command broke", command=_name_command(words))
        raise SystemExit(1) from None
    finally:
        if structlog.is_configured():
            took = round(1000 * (monotonic() - started))
            command_log.info("command", command=_name_command(words), status=status, ms=took)


def _name_command(words: Sequence[str]) -> str:
    """Not what somebody mistyped. Asked when the settings are there: before, Django would know its own alone."""
    return words[1] if len(words) > 1 and words[1] in get_commands() else "-"
