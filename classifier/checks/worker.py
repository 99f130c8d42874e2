"""What workers need: a model, a device, a broker, times that fit together."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from webapp.celery import broker_settings

RUNTIMES = ("", "torch", "onnx")
MODEL_CARD_FILE, SHIPPED_MODEL = "model.json", Path("ml/weights")
# Setting -> what a model's folder must hold; without one, any of them.
WEIGHTS_FILES = {"torch": ("model.safetensors",), "onnx": ("model.onnx",), "": ("model.safetensors", "model.onnx")}
DEVICES = re.compile(r"cpu|cuda(:\d+)?|")
REDIS_SECONDS = 2
REDIS_SCHEMES = ("redis", "rediss")


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
