"""manage.py audit verify [--contains HASH]: prove that nobody has changed the audit log."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from classifier.models import AuditEvent
from classifier.services import audit


class Command(BaseCommand):
    help = "Walk the audit log's chain of hashes. Exits 1 when it is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["verify"])
        parser.add_argument(
            "--contains",
            metavar="HASH",
            help="also prove that the log still holds the row with this hash, noted at an earlier time",
        )

    def handle(self, *args: Any, contains: str | None, **options: Any) -> None:
        broken = audit.verify()
        for link in broken:
            self.stdout.write(f"row {link.pk}: {link.reason}")
        if broken:
            self.stdout.write(self.style.ERROR(f"The audit log is broken at {len(broken)} row(s)."))
            sys.exit(1)
        if contains and not AuditEvent.objects.filter(hash=contains).exists():
            self.stdout.write(self.style.ERROR(f"The row {contains} is gone: the log was cut off before it."))
            sys.exit(1)
        rows, last = AuditEvent.objects.count(), audit.last_hash() or "none"
        self.stdout.write(f"The audit log is whole: {rows} rows, the last one is {last}.")
