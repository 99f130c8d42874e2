"""How often the doors of the site may be tried, by a visitor and with a name, and when again after that.

A wrong password counts thrice: for the visitor's address, for the name from that address, and for the name from
everywhere. The last never locks: it only leaves each address fewer tries, so that strangers who try somebody's name
cannot keep that person out. Names and addresses are kept as keyed hashes.
"""

import logging
from collections.abc import Iterable
from unicodedata import normalize

from django.utils.crypto import salted_hmac

from classifier.models import User
from classifier.services import rates
from classifier.services.rates import Rate

logger = logging.getLogger("facet.attempts")

LOG_INS_OF_AN_ADDRESS = Rate(30, 600)  # wrong ones, with whatever names: an office may share the address
LOG_INS_OF_A_NAME_THERE = Rate(10, 1800)
LOG_INS_OF_A_NAME = Rate(100, 3600)  # from everywhere; beyond it each address gets:
LOG_INS_UNDER_PRESSURE = Rate(1, 900)
CODES_OF_AN_ACCOUNT = Rate(10, 1800)  # wrong ones of the second factor, by whoever knows the password
TOLD_EVERY = Rate(1, 3600)  # lines in the log about one name
TAKEN_NAMES = Rate(10, 3600)  # told to one address by the sign-up form
RESETS_OF_AN_ADDRESS = Rate(3, 3600)  # mails that one visitor has sent to one mailbox
RESETS_OF_A_MAILBOX = Rate(30, 3600)  # by everybody; each of those mails lets its owner in
# POSTs, for one visitor before log-in and for one account after it.
DOORS_OF_A_VISITOR = {
    "account_signup": Rate(20, 600),
    "account_reset_password": Rate(20, 600),
    "account_reset_password_from_key": Rate(20, 600),
    "account_confirm_email": Rate(20, 600),
    "account_email_verification_sent": Rate(20, 600),
    "account_confirm_login_code": Rate(20, 600),
    "mfa_authenticate": Rate(30, 600),
    "mfa_login_webauthn": Rate(30, 600),
}
DOORS_OF_AN_ACCOUNT = {
    "account_change_password": Rate(10, 600),
    "account_set_password": Rate(10, 600),
    "account_email": Rate(10, 600),
    "account_reauthenticate": Rate(10, 600),
    "account-delete": Rate(10, 600),
    "mfa_reauthenticate": Rate(10, 600),
    "mfa_reauthenticate_webauthn": Rate(10, 600),
    "mfa_activate_totp": Rate(10, 600),
    "mfa_add_webauthn": Rate(10, 600),
    "mfa_generate_recovery_codes": Rate(10, 600),
}


class TooManyAttempts(Exception):
    """Something was tried too often; `seconds` from now it may be tried again."""

    code = "too_many_attempts"

    def __init__(self, seconds: float) -> None:
        super().__init__(self.code)
        self.seconds = rates.whole_seconds(seconds)


def take_door(door: str, *, visitor: str, account: User | None) -> None:
    """Count a form that was sent to a page of accounts. Raises TooManyAttempts."""
    if rate := DOORS_OF_A_VISITOR.get(door):
        _take(f"door:{door}:{_digest(visitor)}", rate=rate)
    if account and (rate := DOORS_OF_AN_ACCOUNT.get(door)):
        _take(f"door:{door}:{account.pk}", rate=rate)


def take_reset(mailbox: str, *, visitor: str) -> None:
    """Count a mail that resets a password. Raises TooManyAttempts, whether the mailbox is anybody's or not."""
    name = _digest_name(mailbox)
    _take(f"reset:{name}:{_digest(visitor)}", rate=RESETS_OF_AN_ADDRESS)
    _take(f"reset:{name}", rate=RESETS_OF_A_MAILBOX)


def take_taken_name(*, visitor: str) -> None:
    """Count that somebody is told that a user name is taken. Raises TooManyAttempts."""
    _take(f"taken-name:{_digest(visitor)}", rate=TAKEN_NAMES)


def take_log_in(name: str, *, visitor: str) -> None:
    """Count a log-in before its password is looked at, so that a hundred at once are a hundred. Raises TooManyAttempts.

    One with the right password is taken back by `forgive_log_in`.
    """
    address, name_there, everywhere, pressed = _log_in_keys(name, visitor)
    _take(address, rate=LOG_INS_OF_AN_ADDRESS)
    try:
        _take(name_there, rate=LOG_INS_OF_A_NAME_THERE)
        if rates.take(everywhere, rate=LOG_INS_OF_A_NAME):
            _tell_of_pressure(name)
            _take(pressed, rate=LOG_INS_UNDER_PRESSURE)
    except TooManyAttempts:
        rates.give_back(address, rate=LOG_INS_OF_AN_ADDRESS)  # its other names are not to suffer
        raise


def forgive_log_in(name: str, *, visitor: str) -> None:
    """The password was right: the attempt did not count, nor did the typing errors before it with this name."""
    address, name_there, everywhere, pressed = _log_in_keys(name, visitor)
    rates.give_back(address, rate=LOG_INS_OF_AN_ADDRESS)
    rates.give_back(everywhere, rate=LOG_INS_OF_A_NAME)
    rates.give_back(name_there, rate=LOG_INS_OF_A_NAME_THERE, amount=LOG_INS_OF_A_NAME_THERE.limit)
    rates.give_back(pressed, rate=LOG_INS_UNDER_PRESSURE)


def take_code(user: User) -> None:
    """Count a code of the second factor before it is looked at. Raises TooManyAttempts."""
    _take(f"code:{user.uid}", rate=CODES_OF_AN_ACCOUNT)


def forgive_code(user: User) -> None:
    """The code was right: no attempt counts any more."""
    rates.give_back(f"code:{user.uid}", rate=CODES_OF_AN_ACCOUNT, amount=CODES_OF_AN_ACCOUNT.limit)


def lift_limits(user: User) -> None:
    """Somebody is known to be who they say: their names may be tried afresh, from the addresses that tried them too."""
    for name in sorted(_names_of(user)):
        for key in rates.forget(f"log-in:{_digest_name(name)}:"):
            rates.forget(f"log-in-from:{key.rpartition(':')[2]}")
        rates.forget(f"reset:{_digest_name(name)}")
    rates.forget(f"code:{user.uid}")


def _names_of(user: User) -> set[str]:
    from allauth.account.models import EmailAddress  # its models are there only after ours

    addresses: Iterable[str] = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    return {name for name in (user.username, user.email, *addresses) if name}


def _log_in_keys(name: str, visitor: str) -> tuple[str, str, str, str]:
    """For the address, the name from there, the name from everywhere, and the name from there under pressure."""
    whose, where = _digest_name(name), _digest(visitor)
    return (
        f"log-in-from:{where}",
        f"log-in:{whose}:there:{where}",
        f"log-in:{whose}:everywhere",
        f"log-in:{whose}:pressed:{where}",
    )


def _take(key: str, *, rate: Rate) -> None:
    if seconds := rates.take(key, rate=rate):
        raise TooManyAttempts(seconds)


def _tell_of_pressure(name: str) -> None:
    key = f"log-in:{_digest_name(name)}:told"
    if not rates.take(key, rate=TOLD_EVERY):
        user = User.objects.filter(username__iexact=name).first() or User.objects.filter(email__iexact=name).first()
        logger.warning(
            "wrong passwords come from many addresses for %s; each of them now has fewer tries",
            f"user {user.uid}" if user else "a name that nobody has",
        )


def _digest_name(name: str) -> str:
    """A typed name as it is looked up: whatever its case and its form in Unicode, it is one name."""
    return _digest(normalize("NFKC", name.strip()).upper().casefold())


def _digest(text: str) -> str:
    return salted_hmac("facet.attempts", text, algorithm="sha256").hexdigest()[:32]
