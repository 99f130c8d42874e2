"""manage.py backup FOLDER | FILE.tar [--hard-links]: copy everything, while the site runs, and read the copy back."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.management.progress import Progress
from classifier.services.backups import making
from classifier.services.backups.errors import BackupError


class Command(BaseCommand):
    help = "Back up database, photos and secret key. Given again after it was cut short, it goes on where it was."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, metavar="FOLDER|FILE.tar")
        parser.add_argument(
            "--hard-links",
            action="store_true",
            help="let photos share their bytes with the site's own: at once and without room, on the same disk only",
        )

    def handle(self, *args: Any, path: Path, hard_links: bool, **options: Any) -> None:
        progress = Progress(self.stdout)
        try:
            manifest = making.make_backup(path, links=hard_links, report=progress.tell)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{path} is whole: {manifest.files} files, {manifest.size / 1e6:,.1f} MB, read back.")
        if manifest.deleted:
            self.stdout.write(f"{len(manifest.deleted)} photos were deleted meanwhile and are left out.")
        if manifest.lacking:
            self.stdout.write(f"{len(manifest.lacking)} files were not there: `manage.py doctor` says which.")
            sys.exit(3)
