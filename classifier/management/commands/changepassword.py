"""`manage.py changepassword NAME [--remove-second-factors]`: Django's own, which also ends the account's API tokens."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandParser

from classifier import second_factors
from classifier.models import User
from classifier.services import attempts, audit, tokens


class Command(changepassword.Command):
    help = "Change somebody's password, revoke their API tokens and lift the limits on their log-ins."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--remove-second-factors",
            action="store_true",
            help="also remove app, passkeys and recovery codes, which they have lost",
        )

    def handle(self, *args: Any, **options: Any) -> str | None:
        told = super().handle(*args, **options)
        user = User.objects.get(username=options["username"] or getpass.getuser())
        count = tokens.revoke_all(user, because="password set by the operator")
        attempts.lift_limits(user)
        if options["remove_second_factors"]:
            removed = second_factors.remove_all(user)
            audit.record("second factors removed by the operator", target=f"user {user.uid}")
            self.stdout.write(f"Second factors removed: {removed}.")
        self.stdout.write(f"API tokens revoked: {count}.")
        return told
