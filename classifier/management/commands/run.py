"""`manage.py run`: the whole site on this machine, with nothing else installed. `make run` calls it."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from classifier import tasks
from classifier.models import User
from classifier.running import supervisor
from classifier.services import disk

logger = logging.getLogger("facet.run")

WEB_DELAY_SECONDS = 3.0  # before a web process that died again and again is started anew: people wait for it
DEVICES = Path("/dev")  # where NVIDIA's driver shows each GPU as nvidia0, nvidia1 and so on
TWO_WORKERS_BYTES = 6 * 1024**3  # of memory: 1 GB for each, the rest for web process, decoding and everything else
CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")  # inside a container its own limit; on a machine there is none
# Photos of many sizes leave glibc with ever more memory; with these a worker stays under 1 GB.
WORKER_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(16 * 1024**2),  # bytes: larger blocks go back to the system when they are freed
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
    "OMP_WAIT_POLICY": "PASSIVE",  # torch's threads sleep instead of spinning on a core that the web site wants
    "CELERY_SKIP_CHECKS": "1",  # this command has just made them itself, and they load the whole web site
}


class Command(BaseCommand):
    help = "Prepare the database, then run web server, worker and sweeper until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
        parser.add_argument(
            "--workers",
            type=int,
            default=choose_workers(cores=count_cores(), memory=count_memory(), on_gpu=wants_gpu()),
            help="how many worker processes, which share the cores (default here: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 0:
            raise CommandError("--workers is how many there are: 0 or more")
        try:
            lock = supervisor.lock_data_folder(settings.DATA_DIR)
        except supervisor.AlreadyRunningError as error:
            raise CommandError(f"{error}. Stop it, or choose another folder with FACET_DATA.") from error
        self._check_port(options["bind"])
        disk.make_room()  # SQLite cannot be opened on a full disk, and then nobody could make room
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("switch_off", verbosity=0)
        self.stdout.write(f"Facet starts on {settings.SITE_URL}  (data: {settings.DATA_DIR}; Ctrl-C stops it)")
        if not User.objects.filter(is_staff=True).exists():
            self.stdout.write("There is no administrator yet: `make admin` makes the first one.")
        self.stdout.flush()
        environment = WORKER_ENVIRONMENT | share_cores(options["workers"])
        children = [
            supervisor.Child("web", self._web_command(options["bind"]), longest_delay=WEB_DELAY_SECONDS),
            *(
                supervisor.Child(f"worker {number}", self._worker_command(number), environment=environment)
                for number in range(1, options["workers"] + 1)
            ),
        ]
        supervisor.supervise(children, chore=sweep, chore_seconds=settings.SWEEP_SECONDS)
        lock.close()
        self.stdout.write("Facet has stopped.")

    def _check_port(self, host: str) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, settings.PORT))
            except OSError as error:
                raise CommandError(
                    f"Port {settings.PORT} is taken ({error.strerror}). Choose another with FACET_PORT."
                ) from error

    def _web_command(self, bind: str) -> list[str]:
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--bind", bind]

    def _worker_command(self, number: int) -> list[str]:
        return [
            *(sys.executable, "-m", "celery", "--quiet", "-A", "webapp", "worker"),
            *("--pool", "solo", "--hostname", f"facet{number}@%h", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle"),
        ]


def choose_workers(*, cores: int, memory: int, on_gpu: bool) -> int:
    """Two where they fit, since one stores results on one core while the other looks at photos; `memory` in bytes.

    One to a GPU, on which each worker would hold a model and photos of its own.
    """
    return 2 if cores >= 2 and memory >= TWO_WORKERS_BYTES and not on_gpu else 1


def share_cores(workers: int) -> dict[str, str]:
    """What tells several workers to take no more than their share of the cores; nothing where somebody told them."""
    if workers < 2 or settings.TORCH_THREADS:
        return {}
    return {"FACET_TORCH_THREADS": str(max(1, count_cores() // workers))}


def wants_gpu() -> bool:
    """Whether a worker will take one, as far as can be told without loading torch."""
    if settings.DEVICE:
        is_gpu: bool = settings.DEVICE.startswith("cuda")
        return is_gpu
    return any(DEVICES.glob("nvidia[0-9]*"))


def count_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_memory() -> int:
    """Bytes that this machine or container may use; 0 where it does not tell."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not everywhere
        return 0
    try:
        return min(memory, int(CONTAINER_MEMORY.read_text()))
    except (OSError, ValueError):  # no container, or "max": one without a limit
        return memory


def sweep() -> None:
    """One round of the sweeper. Whatever breaks in it ends neither web nor workers, which run beside it."""
    try:
        close_old_connections()
        tasks.sweep()
    except (DatabaseError, InterfaceError):
        logger.warning("the database cannot be reached; sweeping later")
        connection.close()
    except Exception:  # a chore can break in any way, and the supervisor outlives it
        logger.exception("the sweep broke off; sweeping again in %s s", settings.SWEEP_SECONDS)
