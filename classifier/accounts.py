"""How people get accounts: allauth's adapter, with sign-up open, by invitation, or closed."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from classifier.services import invitations


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Open, or by an unused invitation whose code came with the address (`?invite=`) or the form."""
        if settings.FACET_SIGNUP == "invite":
            return invitations.is_usable(find_invitation(request))
        return settings.FACET_SIGNUP == "open"


def find_invitation(request: HttpRequest) -> str:
    """The code that came with a request: the form's, else the address's. The door and the account both ask here."""
    return request.POST.get("invite") or request.GET.get("invite", "")
