"""The forms of the pages. They check shape; services do the work."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils import timezone

from classifier.models import Invitation, User
from classifier.terms import TERMS_VERSION


class SignupForm(AllauthSignupForm):
    """A new account: it holds the terms of use, and the invitation where one is needed."""

    terms = forms.BooleanField(
        label="I accept the terms of use", error_messages={"required": "Facet can only be used under these terms."}
    )
    invite = forms.CharField(required=False, widget=forms.HiddenInput)

    def save(self, request: HttpRequest) -> Any:
        user = super().save(request)
        if isinstance(user, get_user_model()):
            user.accept_terms(version=TERMS_VERSION, by=user.username)
            self._use_invitation(user)
        return user

    def _use_invitation(self, user: User) -> None:
        if code := self.cleaned_data.get("invite"):
            Invitation.usable().filter(code=code).update(used_by=user, used_at=timezone.now())
