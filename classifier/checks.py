"""System checks: a wrong deployment explains itself, with an id to look up and a hint what to do.

Errors stop `manage.py` and the workers; what only matters in public is told by `manage.py check --deploy`.
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.http.request import split_domain_port, validate_host
from rest_framework.settings import api_settings

from classifier.http import visitors
from classifier.services import rates
from webapp.celery import broker_settings

LOCAL_HOSTS = {"127.0.0.1", "localhost", "[::1]", "::1"}
SIGNUP_MODES = ("open", "invite", "closed")
EMAIL_VERIFICATION_MODES = ("none", "optional", "mandatory")
SECRET_KEY_CHARACTERS = 50  # what Django's own check asks for
SECRET_KEY_DIFFERENT_CHARACTERS = 10
RUNTIMES = ("", "torch", "onnx")
MODEL_CARD_FILE, SHIPPED_MODEL = "model.json", Path("ml/weights")
# Setting -> what a model's folder must hold; without one, any of them.
WEIGHTS_FILES = {"torch": ("model.safetensors",), "onnx": ("model.onnx",), "": ("model.safetensors", "model.onnx")}
DEVICES = re.compile(r"cpu|cuda(:\d+)?|")
REDIS_SECONDS = 2
REDIS_SCHEMES = ("redis", "rediss")
DECODABLE_PIXELS = 50_000_000  # what the decoding child's memory limit and the worker's reader are made for
LAST_PORT = 65_535


@register()
def check_data_folder(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    folder = settings.DATA_DIR
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Error(
            f"The data folder {folder} cannot be written.",
            hint="Give it to the user that Facet runs as, or choose another with FACET_DATA.",
            id="facet.E001",
        )


@register(Tags.security)
def check_secret_key(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    key = settings.SECRET_KEY
    is_weak = (
        len(key) < SECRET_KEY_CHARACTERS
        or len(set(key)) < SECRET_KEY_DIFFERENT_CHARACTERS
        or key.startswith("django-insecure-")
    )
    if is_weak:
        level = Warning if settings.DEBUG else Error
        yield level(
            "The secret key is short or easy to guess: sessions and password resets could be forged.",
            hint="Leave FACET_SECRET_KEY empty, then a good one is made in the data folder; or set it to "
            f"{SECRET_KEY_CHARACTERS} random characters or more.",
            id="facet.E002",
        )


@register(Tags.security)
def check_secret_key_file(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    path = settings.DATA_DIR / "secret_key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield Warning(
            f"Other users of this machine can read {path}.",
            hint=f"chmod 600 {path}",
            id="facet.W003",
        )


@register(Tags.security)
def check_data_folder_mode(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    folder = settings.DATA_DIR
    if folder.exists() and folder.stat().st_mode & 0o077:
        yield Warning(
            f"Other users of this machine can look into {folder}.",
            hint=f"chmod 700 {folder}",
            id="facet.W040",
        )


@register(Tags.security)
def check_trusted_proxies(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    try:
        visitors.parse_networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        yield Error(
            f"FACET_TRUSTED_PROXIES cannot be read: {error}.",
            hint="Write addresses or networks, by commas: 127.0.0.1, 10.0.0.0/8.",
            id="facet.E041",
        )


@register(Tags.security, deploy=True)
def check_visitors_addresses(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.TRUST_PROXY and not settings.TRUSTED_PROXIES:
        yield Warning(
            "Behind the proxy all visitors count as one: wrong passwords of one of them stop the log-ins of all.",
            hint="Name the proxy's own address in FACET_TRUSTED_PROXIES, and let it set X-Forwarded-For.",
            id="facet.W042",
        )
    if any(proxy.endswith("/0") for proxy in settings.TRUSTED_PROXIES):
        yield Warning(
            "FACET_TRUSTED_PROXIES trusts everybody, so visitors choose the address that limits count.",
            hint="Name only the proxies themselves.",
            id="facet.W043",
        )


@register(Tags.security)
def check_debug(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL_HOSTS]
    if settings.DEBUG and public:
        yield Error(
            f"Debug mode shows settings and code to everybody who can reach {', '.join(public)}.",
            hint="Unset FACET_DEBUG, or leave only local names in FACET_HOSTS.",
            id="facet.E004",
        )


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
        ("FACET_LOG_LEVEL", settings.LOG_LEVEL, settings.LOG_LEVELS, "facet.E022"),
        ("FACET_RUNTIME", settings.RUNTIME, RUNTIMES, "facet.E023"),
    )
    for name, value, choices, id in chosen:
        if value not in choices:
            known = ", ".join(choice or "empty" for choice in choices)
            yield Error(f"{name} is {value!r}.", hint=f"It must be one of: {known}.", id=id)


@register()
def check_model_folder(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.RUNTIME not in RUNTIMES:
        return  # told already
    folder = Path(settings.MODEL_DIR) if settings.MODEL_DIR else settings.BASE_DIR / SHIPPED_MODEL
    weights = WEIGHTS_FILES[settings.RUNTIME]
    missing = [] if (folder / MODEL_CARD_FILE).is_file() else [MODEL_CARD_FILE]
    if not any((folder / name).is_file() for name in weights):
        missing.append(" or ".join(weights))
    if missing and settings.MODEL_DIR:
        yield Error(
            f"FACET_MODEL_DIR names {folder}, where there is no {' and no '.join(missing)}.",
            hint="Name the folder of a checkpoint, or leave it empty for the model that comes with Facet."
            if settings.RUNTIME != "onnx"
            else "FACET_RUNTIME is onnx: name a folder that python -m ml.export wrote.",
            id="facet.E007",
        )
    elif missing and settings.RUNTIME == "onnx":
        yield Error(
            "FACET_RUNTIME is onnx, but the model that comes with Facet is not exported.",
            hint="Run python -m ml.export --out FOLDER and name that folder in FACET_MODEL_DIR.",
            id="facet.E024",
        )


@register()
def check_worker(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if not DEVICES.fullmatch(settings.DEVICE):
        yield Error(
            f"FACET_DEVICE is {settings.DEVICE!r}.",
            hint="Write cpu, cuda or cuda:1, or leave it empty for CUDA if there is one, else the CPU.",
            id="facet.E025",
        )
    elif settings.RUNTIME == "onnx" and settings.DEVICE.startswith("cuda"):
        yield Warning(
            f"FACET_DEVICE is {settings.DEVICE}, but with FACET_RUNTIME=onnx faces are classified on the CPU.",
            hint="Leave FACET_RUNTIME empty to classify them on the GPU too.",
            id="facet.W026",
        )
    module, _, name = settings.PIPELINE.rpartition(".")
    if not name.isidentifier() or not _can_be_found(module):
        yield Error(
            f"FACET_PIPELINE names {settings.PIPELINE!r}, which is no class in a module that can be found.",
            hint="Leave it empty for ml.pipeline.FacePipeline.",
            id="facet.E027",
        )


def _can_be_found(module: str) -> bool:
    """Whether a module exists; it is not imported, since torch would come with it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@register()
def check_redis_address(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.REDIS_URL and not _is_redis_address(settings.REDIS_URL):
        # The address itself is not told: it may hold a password.
        yield Error(
            "REDIS_URL cannot be read.",
            hint="Write redis://HOST:6379/0 or rediss://:PASSWORD@HOST:6379/0; leave it empty for messages as files.",
            id="facet.E028",
        )


def _is_redis_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError unless it is a number
    except ValueError:
        return False
    number = parts.path.strip("/")
    return parts.scheme in REDIS_SCHEMES and bool(parts.hostname) and (not number or number.isdecimal())


@register()
def check_queue_times(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    lease, sweep = settings.LEASE_SECONDS, settings.SWEEP_SECONDS
    if lease <= 0 or sweep <= 0:
        yield Error(
            "FACET_LEASE_SECONDS and FACET_SWEEP_SECONDS must be more than 0.",
            hint="Leave them empty for 60 and 5 seconds.",
            id="facet.E008",
        )
        return
    if sweep > lease:
        yield Warning(
            f"Overdue photos are looked for every {sweep} s, which is longer than a lease of {lease} s.",
            hint="Make FACET_SWEEP_SECONDS smaller than FACET_LEASE_SECONDS.",
            id="facet.W009",
        )
    if not settings.REDIS_URL:
        return
    visibility = broker_settings()["broker_transport_options"]["visibility_timeout"]
    if visibility <= lease:
        yield Error(
            f"Redis gives a message to a second worker after {visibility} s, before the lease of {lease} s is over.",
            hint="visibility_timeout in webapp/celery.py must be longer than FACET_LEASE_SECONDS.",
            id="facet.E010",
        )


@register(Tags.security)
def check_private_files(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """Static files are served to everybody without asking; photos must never lie among them."""
    private = {"data folder": settings.DATA_DIR, "folder of photos": Path(settings.MEDIA_ROOT)}
    public = [Path(folder) for folder in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS) if folder]
    for name, folder in private.items():
        for root in public:
            if folder.resolve().is_relative_to(root.resolve()):
                yield Error(
                    f"The {name} {folder} lies in {root}, whose files are served to everybody.",
                    hint="Choose another FACET_DATA or FACET_STATIC_ROOT.",
                    id="facet.E011",
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
        "FACET_API_RATE": calls["api"],
        "FACET_API_USER_RATE": calls["user"],
    }
    for name, text in chosen.items():
        try:
            rates.parse_rate(text)
        except ValueError as error:
            yield Error(f"{name} cannot be read: {error}.", hint="Write 600/min, 50/hour or off.", id="facet.E020")


@register(Tags.security, deploy=True)
def check_site_address(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    host, _ = split_domain_port(urlsplit(settings.SITE_URL).netloc)
    if not validate_host(host, settings.ALLOWED_HOSTS):
        yield Warning(
            f"FACET_URL names {host or 'no host'}, which FACET_HOSTS does not allow: requests would be refused.",
            hint="Add the host to FACET_HOSTS.",
            id="facet.W014",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            "FACET_HOSTS allows every host name, so links in mails could be made to lead elsewhere.",
            hint="Name the hosts under which the site is reached.",
            id="facet.W015",
        )


@register(deploy=True)
def check_mail(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        yield Info(
            "Mails are written to the log: nobody receives a link to reset a password.",
            hint="Set EMAIL_URL, for example to smtp+tls://user:password@mail.example.org:587.",
            id="facet.I016",
        )


@register(deploy=True)
def check_redis(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    """A Redis that evicts keys when memory is short throws messages and counted limits away."""
    if not settings.REDIS_URL or not _is_redis_address(settings.REDIS_URL):
        return
    import redis  # here, since an instance without Redis need not load it

    try:
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            decode_responses=True,
        )
        with client:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except redis.RedisError:
        return  # not reachable from here, or it keeps its settings to itself
    if policy != "noeviction":
        yield Warning(
            f"Redis may throw messages away when its memory is full (maxmemory-policy {policy}).",
            hint="Set maxmemory-policy to noeviction.",
            id="facet.W017",
        )
