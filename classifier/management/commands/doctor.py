"""manage.py doctor [--fix]: find what is wrong with this instance and say what to do. Exits 1 if anything is."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from classifier.services import disk, doctor
from classifier.services.doctor.findings import Finding

SUBJECTS_SHOWN = 10


class Command(BaseCommand):
    help = "Find stray and missing files, stuck and overdue photos, a full disk, dead workers and more; say what to do."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--fix",
            action="store_true",
            help="finish deletions, delete overdue photos and stray files, make thumbnails anew, queue what is stuck",
        )

    def check_migrations(self) -> None:
        """The first look at the database, which SQLite cannot even open where the disk is full."""
        disk.make_room()
        super().check_migrations()

    def handle(self, *args: Any, fix: bool, **options: Any) -> None:
        try:
            findings = doctor.examine()
            if fix:
                for finding in findings:
                    self._remedy(finding)
                findings = doctor.examine()
        except DatabaseError as error:
            self.stdout.write(self.style.ERROR(f"The database does not answer: {error}".strip()))
            self.stdout.write("Look whether it runs, then at DATABASE_URL; `manage.py migrate` lays its tables.")
            sys.exit(1)
        for finding in findings:
            self._tell(finding)
        if findings:
            sys.exit(1)
        self.stdout.write("Nothing is wrong.")

    def _remedy(self, finding: Finding) -> None:
        if finding.remedy:
            count = finding.remedy()
            self.stdout.write(f"{finding.what} Mended: {count}.")

    def _tell(self, finding: Finding) -> None:
        self.stdout.write(self.style.ERROR(finding.what))
        for subject in finding.subjects[:SUBJECTS_SHOWN]:
            self.stdout.write(f"  {subject}")
        if (more := len(finding.subjects) - SUBJECTS_SHOWN) > 0:
            self.stdout.write(f"  and {more} more")
        self.stdout.write(f"  -> {finding.advice}")
