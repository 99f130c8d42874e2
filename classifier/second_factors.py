"""The second factor: allauth's, with its secrets encrypted, and codes that can only be guessed at slowly."""

import base64
import hashlib
import json
import secrets
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import forms as allauth_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset, authenticator_used
from allauth.mfa.webauthn import forms as passkey_forms
from cryptography.fernet import Fernet, InvalidToken
from django import forms
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.forms.fields import InvalidJSONInput

from classifier.models import User
from classifier.services import attempts, audit


class SecondFactorAdapter(DefaultMFAAdapter):
    """Keys and codes are encrypted with the site's secret key: a copy of the database alone opens nothing."""

    def encrypt(self, text: str) -> str:
        """What is stored."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What was encrypted; under another secret key something that nobody knows, so that no code fits."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """What a new passkey is called unless its owner says otherwise."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if not count else f"Passkey {count + 1}"


class CodeForm(allauth_forms.AuthenticateForm):
    """A code of an app, or a recovery code, when somebody logs in."""

    def clean_code(self) -> str:
        """Count the attempt before the code is looked at. Raises TooManyAttempts."""
        return _take_code(self, super().clean_code)


class ConfirmingCodeForm(allauth_forms.ReauthenticateForm):
    """The same, when something is changed for which people confirm that it is them."""

    def clean_code(self) -> str:
        """Count the attempt before the code is looked at. Raises TooManyAttempts."""
        return _take_code(self, super().clean_code)


class CredentialField(forms.JSONField):
    """What a browser says of a passkey. Django's field knows JSON's own error alone; there are others to provoke."""

    def to_python(self, value: Any) -> Any:
        """Raises ValidationError, also for endless numbers, halves of characters and what is nested too deep."""
        try:
            found = super().to_python(value)
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        return InvalidJSONInput(data)  # never shown again: a credential holds once

    def prepare_value(self, value: Any) -> Any:
        return ""


class AddPasskeyForm(passkey_forms.AddWebAuthnForm):
    credential = CredentialField(widget=forms.HiddenInput)


class PasskeyForm(passkey_forms.AuthenticateWebAuthnForm):
    credential = CredentialField(widget=forms.HiddenInput)


class LoginPasskeyForm(passkey_forms.LoginWebAuthnForm):
    credential = CredentialField(widget=forms.HiddenInput)


class ConfirmingPasskeyForm(passkey_forms.ReauthenticateWebAuthnForm):
    credential = CredentialField(widget=forms.HiddenInput)


def connect() -> None:
    """Hear what allauth tells: whoever has shown a second factor is known, and what becomes of one is written down."""
    authenticator_used.connect(_lift_limits)
    for signal, action in (
        (authenticator_added, "second factor added"),
        (authenticator_reset, "recovery codes made anew"),
        (authenticator_removed, "second factor removed"),
    ):
        signal.connect(_Recorder(action).record, weak=False)


def describe(user: User) -> list[str]:
    """What somebody has, in words."""
    kinds = list(Authenticator.objects.filter(user=user).order_by("type").values_list("type", flat=True))
    keys = kinds.count(Authenticator.Type.WEBAUTHN)
    told = ["an app"] if Authenticator.Type.TOTP in kinds else []
    return told + ([f"{keys} passkeys" if keys > 1 else "a passkey"] if keys else [])


def remove_all(user: User) -> int:
    """Somebody has lost them: the password alone opens the account again. How many keys and apps there were."""
    count: int = Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES).count()
    Authenticator.objects.filter(user=user).delete()
    attempts.lift_limits(user)
    return count


def _take_code(form: Any, look: Any) -> str:
    attempts.take_code(form.user)
    code: str = look()
    attempts.forgive_code(form.user)
    return code


def _lift_limits(sender: Any, user: User, **_: Any) -> None:
    attempts.lift_limits(user)


class _Recorder:
    def __init__(self, action: str) -> None:
        self._action = action

    def record(self, sender: Any, user: User, authenticator: Authenticator, **_: Any) -> None:
        """A line in the audit log, by its owner."""
        audit.record(self._action, actor=user, target=f"user {user.uid}", details={"kind": authenticator.type})


def _cipher() -> Fernet:
    key = hashlib.sha256(b"facet.second_factors" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
