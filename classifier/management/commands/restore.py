"""manage.py restore FOLDER | FILE.tar [--leave-out-damaged]: bring a backup back, into an empty place."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.management.progress import Progress
from classifier.running import supervisor
from classifier.services.backups import restoring
from classifier.services.backups.errors import BackupError

NAMES_SHOWN = 10


class Command(BaseCommand):
    help = "Restore a backup into an empty FACET_DATA and database. Cut short, it goes on when it is given again."
    requires_system_checks: list[str] = []  # one of them says that a restore was cut short

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, metavar="FOLDER|FILE.tar")
        parser.add_argument(
            "--leave-out-damaged",
            action="store_true",
            help="restore everything but photos whose files have changed in the backup, and name them",
        )

    def handle(self, *args: Any, path: Path, leave_out_damaged: bool, **options: Any) -> None:
        progress = Progress(self.stdout)
        try:
            lock = supervisor.lock_data_folder(settings.DATA_DIR)
        except supervisor.AlreadyRunningError as error:
            raise CommandError(f"{error}: stop it first.") from error
        try:
            manifest, damaged = restoring.bring_back(path, leaves_out_damaged=leave_out_damaged, report=progress.tell)
        except BackupError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        restoring.settle(manifest)
        lock.close()
        self.stdout.write(f"The backup of {manifest.made_at} is back in {settings.DATA_DIR}: {manifest.files} files.")
        if damaged:
            self.stdout.write(f"{len(damaged)} files are damaged in the backup and left out:")
            for name in damaged[:NAMES_SHOWN]:
                self.stdout.write(f"  {name}")
            sys.exit(3)
