"""`manage.py createsuperuser` (`make admin`): Django's own, with the terms of use and a line in the audit log."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

from classifier.models import User
from classifier.services import audit
from classifier.terms import TERMS_OF_USE, TERMS_VERSION

OPERATOR = "operator"


class Command(createsuperuser.Command):
    help = "Make an administrator; whoever runs this accepts the terms of use for the account."

    def handle(self, *args: Any, **options: Any) -> None:
        known = set(User.objects.values_list("pk", flat=True))
        if options["interactive"]:
            if not self.stdin.isatty():
                raise CommandError(
                    "There is no terminal to ask for a name and a password, so no administrator was made. "
                    "Use --noinput with --username, --email and DJANGO_SUPERUSER_PASSWORD."
                )
            self._ask_for_terms()
        super().handle(*args, **options)
        for user in User.objects.filter(is_superuser=True).exclude(pk__in=known):
            user.accept_terms(version=TERMS_VERSION, by=OPERATOR)
            audit.record("administrator made", target=f"user {user.uid}", details={"by": OPERATOR})

    def _ask_for_terms(self) -> None:
        self.stdout.write(f"The terms of use of Facet ({TERMS_VERSION}), which hold for administrators too:")
        for paragraph in TERMS_OF_USE:
            self.stdout.write(f"- {paragraph}")
        if input("Accept them for the new account? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("No account was made.")
