"""`manage.py workers`: who is working now, on which device, with which model. Exits 1 when nobody is."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from classifier.services import workers


class Command(BaseCommand):
    help = "List the live workers. Exits 1 when there is none, or none of the name that was asked for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--named", metavar="NAME", help="only this worker, such as worker@box")

    def handle(self, *args: Any, named: str | None, **options: Any) -> None:
        live = [worker for worker in workers.readiness().workers if named in (None, worker.name)]
        for worker in live:
            self.stdout.write(f"{worker.name}: {worker.model} on {worker.device}")
        if not live:
            self.stderr.write(f"{named} shows no sign of life." if named else "No worker shows a sign of life.")
            sys.exit(1)
