"""Who may see a page at all; what they may see on it is decided by `visible_to` and `owned_by`."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url

from classifier.models import User


class UserRequest(HttpRequest):
    """A request that `login_required` let through: for annotations only."""

    user: User
    htmx: Any


def login_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Send anonymous people to the log-in page.

    A script cannot follow a redirect in their stead: its requests get 401 and the address in `HX-Redirect`, so that
    neither htmx nor the upload takes the log-in form for its answer.
    """

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if not request.headers.get("HX-Request"):
            return redirect_to_login(request.get_full_path())
        htmx: Any = getattr(request, "htmx", None)
        came_from = htmx.current_url_abs_path if htmx else None
        log_in = f"{resolve_url('account_login')}?{urlencode({'next': came_from or '/'})}"
        return HttpResponse("You are logged out.", status=401, headers={"HX-Redirect": log_in})

    return checked
