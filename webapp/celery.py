"""Celery: messages are hints, the database rows are the queue (see `classifier.models.leases`).

With REDIS_URL the broker is Redis; without it messages are files under FACET_DATA/broker.
"""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging
from django.dispatch import receiver
from django_structlog.celery import signals
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")


class Facet(Celery):
    """Celery, whose senders are impatient: who sends a hint does not wait for a broker that is away."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        transport_options = sender_options() | (options.pop("transport_options", None) or {})
        return super().connection_for_write(url, transport_options=transport_options, **options)


app = Facet("facet")
app.steps["worker"].add(DjangoStructLogInitStep)


def sender_options() -> dict[str, Any]:
    """Transport options of those who send, beside those that all share: short time limits, no second try."""
    from django.conf import settings

    from classifier.running import redis_server

    return {"max_retries": 0, "interval_start": 0, **redis_server.client_options()} if settings.REDIS_URL else {}


def broker_settings() -> dict[str, Any]:
    from django.conf import settings

    if settings.REDIS_URL:
        return {
            "broker_url": settings.REDIS_URL,
            "broker_transport_options": {
                "visibility_timeout": settings.LEASE_SECONDS + 15,  # a little over the lease
                "unacked_restore_interval": 1,  # seconds between looks for messages of dead workers
                "unacked_restore_throttle": 1,
                "socket_connect_timeout": 2,
            },
        }
    folder = settings.DATA_DIR / "broker"
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "broker_url": "facetfiles://localhost//",
        "broker_transport_options": {
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.1,
        },
    }


@app.on_configure.connect
def configure(sender: Celery, **_: Any) -> None:
    from django.conf import settings

    import classifier.running.broker  # noqa: F401 - registers the facetfiles transport

    sender.conf.update(
        **broker_settings(),
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker as long as it takes
        task_publish_retry=False,  # an upload never waits for a broker that is down: the sweeper sends it again
        timezone="UTC",
        beat_scheduler="classifier.running.beat:Scheduler",
        beat_schedule={
            "sweep": {
                "task": "classifier.tasks.sweep",
                "schedule": settings.SWEEP_SECONDS,
                "options": {"expires": settings.SWEEP_SECONDS * 2},
            },
        },
    )


@setup_logging.connect
def leave_logging(**_: Any) -> None:
    """Workers and beat log as the settings say, where Celery would put lines of its own kind in their place."""


@receiver(signals.bind_extra_task_metadata)
def name_task(task: Any, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task=task.name)


app.autodiscover_tasks(["classifier"])
