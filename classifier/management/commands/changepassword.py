"""`manage.py changepassword NAME`: Django's own, which also ends the account's API tokens."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from classifier.models import User
from classifier.services import attempts, tokens


class Command(changepassword.Command):
    help = "Change somebody's password, revoke their API tokens and lift the limits on their log-ins."

    def handle(self, *args: Any, **options: Any) -> str | None:
        told = super().handle(*args, **options)
        user = User.objects.get(username=options["username"] or getpass.getuser())
        count = tokens.revoke_all(user, because="password set by the operator")
        attempts.lift_limits(user)
        self.stdout.write(f"API tokens revoked: {count}.")
        return told
