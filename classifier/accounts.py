"""How people get accounts: allauth's adapter, with sign-up open, by invitation, or closed."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from classifier.models import Invitation


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Open, or by an unused invitation whose code came with the address (`?invite=`) or the form."""
        if settings.FACET_SIGNUP == "open":
            return True
        if settings.FACET_SIGNUP == "invite":
            code = request.POST.get("invite") or request.GET.get("invite", "")
            return bool(code) and Invitation.usable().filter(code=code).exists()
        return False
