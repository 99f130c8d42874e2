"""Words, amounts and rates that a setting cannot have."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from rest_framework.settings import api_settings

from classifier.checks.worker import RUNTIMES
from classifier.models.collections import all_attributes
from classifier.services import rates
from ml.attributes import ATTRIBUTES
from webapp import logs

SIGNUP_MODES = ("open", "invite", "closed")
EMAIL_VERIFICATION_MODES = ("none", "optional", "mandatory")
DECODABLE_PIXELS = 50_000_000  # what the decoding child's memory limit and the worker's reader are made for
LAST_PORT = 65_535


@register()
def check_choices(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    chosen = (
        ("FACET_SIGNUP", settings.FACET_SIGNUP, SIGNUP_MODES, "facet.E005"),
        (
            "FACET_EMAIL_VERIFICATION",
            settings.ACCOUNT_EMAIL_VERIFICATION,
            EMAIL_VERIFICATION_MODES,
            "facet.E006",
        ),
        ("FACET_LOG_LEVEL", settings.LOG_LEVEL, logs.LEVELS, "facet.E022"),
        ("FACET_LOG_FORMAT", settings.LOG_FORMAT, logs.FORMATS, "facet.E048"),
        ("FACET_RUNTIME", settings.RUNTIME, RUNTIMES, "facet.E023"),
    )
    for name, value, choices, id in chosen:
        if value not in choices:
            known = ", ".join(choice or "empty" for choice in choices)
            yield Error(f"{name} is {value!r}.", hint=f"It must be one of: {known}.", id=id)


@register()
def check_attributes_off(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    unknown = [name for name in settings.ATTRIBUTES_OFF if name not in ATTRIBUTES]
    if unknown or not all_attributes():
        told = f"names {', '.join(unknown)}, which Facet does not know" if unknown else "leaves nothing to compute"
        yield Error(
            f"FACET_ATTRIBUTES_OFF {told}.",
            hint=f"Write some of these, by commas: {', '.join(ATTRIBUTES)}.",
            id="facet.E047",
        )


@register()
def check_upload_limits(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    limits = {
        "FACET_MAX_FILE_MB": settings.MAX_FILE_BYTES,
        "FACET_MAX_FILES": settings.MAX_FILES_PER_REQUEST,
        "FACET_MAX_REQUEST_MB": settings.MAX_REQUEST_BYTES,
        "FACET_MAX_MEGAPIXELS": settings.MAX_PIXELS,
        "FACET_USER_QUOTA_GB": settings.USER_QUOTA_BYTES,
    }
    nothing = [name for name, value in limits.items() if value <= 0]
    if nothing:
        yield Error(
            f"With {', '.join(nothing)} at 0 or less no photo can be added.",
            hint="Leave it empty for the default.",
            id="facet.E012",
        )
    if settings.MAX_FILE_BYTES > settings.MAX_REQUEST_BYTES:
        yield Warning(
            "A file of the largest size allowed does not fit into a request.",
            hint="Make FACET_MAX_REQUEST_MB at least as large as FACET_MAX_FILE_MB.",
            id="facet.W013",
        )


@register()
def check_keeping(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    amounts = {
        "FACET_RESERVE_MB": settings.RESERVE_BYTES,
        "FACET_LOW_DISK_MB": settings.LOW_DISK_BYTES,
        "FACET_KEEP_UPLOADS_DAYS": settings.KEEP_UPLOADS_DAYS,
    }
    for name, value in amounts.items():
        if value < 0:
            yield Error(f"{name} is less than 0.", hint="Leave it empty for the default.", id="facet.E044")


@register()
def check_counts(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    counts = {
        "FACET_WEB_THREADS": settings.WEB_THREADS,
        "FACET_DECODE_PROCESSES": settings.DECODE_PROCESSES,
        "FACET_BATCH_PHOTOS": settings.BATCH_PHOTOS,
        "FACET_MAX_PENDING_PHOTOS": settings.MAX_PENDING_PHOTOS,
        "FACET_DECODE_FILE_SECONDS": settings.DECODE_CPU_SECONDS,
        "FACET_DECODE_REQUEST_SECONDS": settings.DECODE_REQUEST_SECONDS,
        "FACET_EMAIL_SECONDS": settings.EMAIL_TIMEOUT,
    }
    nothing = [name for name, value in counts.items() if value < 1]
    if nothing:
        yield Error(
            f"With {', '.join(nothing)} under 1 nothing would ever be done.",
            hint="Leave it empty for the default.",
            id="facet.E018",
        )
    if not 1 <= settings.PORT <= LAST_PORT:
        yield Error(
            f"FACET_PORT is {settings.PORT}: there is no such port.",
            hint=f"Choose one from 1 to {LAST_PORT}.",
            id="facet.E019",
        )
    if settings.MAX_PIXELS > DECODABLE_PIXELS:
        yield Error(
            f"FACET_MAX_MEGAPIXELS is over {DECODABLE_PIXELS // 1_000_000}: larger photos would fail later.",
            hint="The memory of the processes that decode photos is measured for that size. Choose less.",
            id="facet.E021",
        )


@register()
def check_rates(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    calls = api_settings.DEFAULT_THROTTLE_RATES
    chosen = {
        "FACET_UPLOAD_RATE": settings.UPLOAD_RATE,
        "FACET_DECODE_RATE": settings.DECODE_RATE,
        "FACET_EXPLAIN_RATE": settings.EXPLAIN_RATE,
        "FACET_DRAW_RATE": settings.DRAW_RATE,
        "FACET_API_RATE": calls["api"],
        "FACET_API_USER_RATE": calls["user"],
    }
    for name, text in chosen.items():
        try:
            rates.parse_rate(text)
        except ValueError as error:
            yield Error(f"{name} cannot be read: {error}.", hint="Write 600/min, 50/hour or off.", id="facet.E020")
