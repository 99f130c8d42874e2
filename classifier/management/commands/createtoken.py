"""`manage.py createtoken USERNAME`: print a new API token for somebody, on the operator's word.

Only the token goes to standard output, so that `TOKEN=$(manage.py createtoken alice)` works.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.models import AccessToken, User
from classifier.services import audit, tokens
from classifier.terms import TERMS_VERSION

OPERATOR = "operator"


class Command(BaseCommand):
    help = "Print a new API token for a user; the operator accepts the terms of use for somebody who has not yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for, as its list shows it")
        parser.add_argument("--scope", choices=AccessToken.Scope.values, default=AccessToken.Scope.UPLOAD)
        parser.add_argument("--days", type=int, default=tokens.DAYS, help="days until it expires (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= tokens.MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {tokens.MAX_DAYS}.")
        try:
            user = User.objects.get(username=options["username"])
        except User.DoesNotExist:
            raise CommandError(f"There is no user named {options['username']!r}.") from None
        if not user.is_active:
            raise CommandError(f"The account of {user.username} is switched off; a token would not work.")
        if not user.holds_terms():
            user.accept_terms(version=TERMS_VERSION, by=OPERATOR)
            audit.record(
                "terms accepted", target=f"user {user.uid}", details={"by": OPERATOR, "version": TERMS_VERSION}
            )
            self.stderr.write(f"Recorded: the operator accepts the terms of use for {user.username}.")
        token, secret = tokens.create_token(
            user, name=options["name"][:80], scope=options["scope"], days=options["days"]
        )
        details = {"by": OPERATOR, "user": user.uid, "scope": token.scope}
        audit.record("token made", target=f"token {token.uid}", details=details)
        self.stdout.write(secret)
