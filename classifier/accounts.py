"""How people get accounts and into them: allauth's adapter, with our sign-up modes, limits and visitors' addresses."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authentication_failed
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.http import HttpRequest

from classifier.http import visitors
from classifier.models import User
from classifier.services import attempts, audit, invitations

logger = logging.getLogger("facet.accounts")

PASSWORDS_LOOKED_AT = 2  # at each log-in: an address that is also another's user name, or that two accounts have


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Open, or by an unused invitation whose code came with the form or the address (`?invite=`)."""
        if settings.FACET_SIGNUP == "invite":
            return invitations.is_usable(find_invitation(request))
        is_open: bool = settings.FACET_SIGNUP == "open"
        return is_open

    def get_client_ip(self, request: HttpRequest) -> str:
        """The visitor's address, which allauth's own limits and mails name."""
        return visitors.find_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt before its password is looked at. Raises TooManyAttempts."""
        attempts.take_log_in(_name_in(credentials), visitor=visitors.find_address(request))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Whose name and password these are. Raises TooManyAttempts."""
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if user:
            attempts.forgive_log_in(_name_in(credentials), visitor=visitors.find_address(request))
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Written down with whose password was tried, never with what was typed for a name."""
        known = _accounts_of(_name_in(credentials).strip())
        _note("log-in failed", target=f"user {known[0].uid}" if known else "")


def connect() -> None:
    """Hear of log-ins, and of second factors that were wrong."""
    pre_save.connect(_shorten_address, sender="usersessions.UserSession")
    user_logged_in.connect(_note_log_in)
    authentication_failed.connect(_note_wrong_factor)


def _shorten_address(sender: Any, instance: Any, **_: Any) -> None:
    """A session is listed with an address: of an IPv6 network where it begins, of a socket file none."""
    instance.ip = "::" if instance.ip == visitors.UNKNOWN else instance.ip.partition("/")[0]


def _note_log_in(sender: Any, user: User, **_: Any) -> None:
    _note("logged in", actor=user, target=f"user {user.uid}")


def _note_wrong_factor(sender: Any, user: User, **_: Any) -> None:
    _note("second factor failed", target=f"user {user.uid}")


def _note(action: str, **about: Any) -> None:
    """A log that cannot be written keeps nobody out."""
    try:
        audit.record(action, **about)
    except DatabaseError:
        logger.warning("the audit log could not be written: %s", action)


class OneDoorBackend(AuthenticationBackend):
    """A name or an address, and its password, with the same work whoever is named, or nobody.

    Passwords are hashed slowly on purpose, so that one hash more would tell by the clock who is there. An address may
    stand at several accounts, unconfirmed; it opens the oldest of them.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        password, name = credentials.get("password"), _name_in(credentials).strip()
        if not password or not name:
            return None
        known = _accounts_of(name)[:PASSWORDS_LOOKED_AT]
        right = [user for user in known if self._check_password(user, password)]
        for _ in range(PASSWORDS_LOOKED_AT - len(known)):
            self._mitigate_timing_attack(password)
        return right[0] if right else None


def _accounts_of(name: str) -> list[User]:
    """The account with this user name, then those with this address, the oldest first."""
    by_address = sorted(filter_users_by_email(name, prefer_verified=True, for_login=True), key=lambda user: user.pk)
    by_name = get_user_by_username(name)
    return list(dict.fromkeys([*([by_name] if by_name else []), *by_address]))


def find_invitation(request: HttpRequest) -> str:
    """The code that came with a request: the form's, else the address's. The door and the account both ask here."""
    return request.POST.get("invite") or request.GET.get("invite", "")


def _name_in(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")
