"""A person's own page, and the keys to the API."""

from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from classifier import second_factors
from classifier.forms import TokenForm
from classifier.models import AccessToken, Photo
from classifier.services import accounts, exports, tokens
from classifier.terms import TERMS_OF_USE
from classifier.views.access import UserRequest, login_required


@login_required
@require_GET
def account_detail(request: UserRequest) -> HttpResponse:
    user = request.user
    stored = Photo.objects.owned_by(user).aggregate(bytes=Sum("stored_bytes"))["bytes"] or 0
    context = {
        "stored_bytes": stored,
        "quota_bytes": user.allowed_bytes(),
        "terms": TERMS_OF_USE,
        "token_count": AccessToken.objects.filter(user=user).count(),
        "export": exports.find_newest(user),
        "second_factors": second_factors.describe(user),
        "session_count": UserSession.objects.filter(user=user).count() or 1,  # it may be older than the list
    }
    return render(request, "accounts/detail.html", context)


@login_required
@require_POST
def end_session(request: UserRequest, pk: int) -> HttpResponse:
    """Log somebody out of another browser."""
    session = get_object_or_404(UserSession, user=request.user, pk=pk)
    session.end()
    messages.success(request, "That session has ended.")
    return redirect("usersessions_list")


@login_required
@require_POST
def accept_terms(request: UserRequest) -> HttpResponse:
    """For those whose account somebody else made, or before these terms: what sign-up asks for."""
    if not request.user.holds_terms():
        accounts.accept_terms(request.user)
        messages.success(request, "You have accepted the terms of use.")
    return redirect("account-detail")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def token_list(request: UserRequest) -> HttpResponse:
    """The tokens; a new one is shown in the answer to the very request that made it, and never again."""
    form = TokenForm(request.POST or None)
    new_token = new_key = None
    if request.method == "POST" and form.is_valid():
        new_token, new_key = tokens.create_token(request.user, by=request.user, **form.cleaned_data)
        form = TokenForm()
    context = {
        "tokens": AccessToken.objects.filter(user=request.user),
        "form": form,
        "new_token": new_token,
        "new_key": new_key,
        "photos_address": request.build_absolute_uri(reverse("api-photo-list")),
    }
    return render(request, "accounts/tokens.html", context)


@login_required
@require_POST
def revoke(request: UserRequest, uid: UUID) -> HttpResponse:
    token = get_object_or_404(AccessToken, user=request.user, uid=uid)
    tokens.revoke_token(token, by=request.user)
    messages.success(request, f"The token “{token.name}” no longer opens anything.")
    return redirect("token-list")
