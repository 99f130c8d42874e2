"""What people may have done with all that is theirs: taken along, or deleted."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from classifier.forms import PasswordForm
from classifier.models import AccountExport
from classifier.services import accounts, audit, exports
from classifier.views.access import UserRequest, login_required

LAST_ADMINISTRATOR = "You are the only administrator with all rights. Make another one first."


@login_required
@require_POST
def ask_for_export(request: UserRequest) -> HttpResponse:
    exports.ask_for_export(request.user)
    messages.success(request, "Your data is being put together. You find it here when it is done.")
    return redirect("account-detail")


@login_required
@require_GET
def fetch_export(request: UserRequest, uid: UUID) -> HttpResponseBase:
    export = get_object_or_404(AccountExport, owner=request.user, uid=uid)
    if not export.is_ready():
        raise Http404("It is not there yet, or no longer.")
    try:
        file = default_storage.open(export.file)
    except FileNotFoundError as error:
        raise Http404("The stored file is missing.") from error
    audit.record("data export fetched", actor=request.user, target=f"export {export.uid}")
    return FileResponse(file, as_attachment=True, filename=f"facet-{export.asked_at:%Y-%m-%d}.zip")


@login_required
@require_http_methods(["GET", "POST"])
def delete_account(request: UserRequest) -> HttpResponse:
    """Asked for: in seven days. Once it has been, and `now` is said: at once."""
    user = request.user
    form = PasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            if user.leaving_at and request.POST.get("when") == "now":
                accounts.leave_now(user)
                logout(request)
                return render(request, "accounts/gone.html")
            accounts.ask_to_leave(user)
        except accounts.LastAdministrator:
            form.add_error(None, LAST_ADMINISTRATOR)
        else:
            return redirect("account-delete")
    return render(request, "accounts/delete.html", {"form": form, "days": accounts.GRACE.days})


@login_required
@require_POST
def keep_account(request: UserRequest) -> HttpResponse:
    accounts.stay(request.user)
    messages.success(request, "Your account stays.")
    return redirect("account-detail")
