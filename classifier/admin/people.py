"""People: accounts with terms, quota and rights; their API tokens; invitations."""

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa import admin as mfa_admin
from allauth.usersessions import admin as sessions_admin
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.forms.widgets import Script
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from classifier import second_factors
from classifier.admin.base import AuditedAdmin, ReadOnlyAdmin, administrator, record, summarise
from classifier.models import AccessToken, Collection, Invitation, Photo, User
from classifier.models.accounts import REVIEWERS
from classifier.services import accounts, attempts, deletion, tokens
from classifier.templatetags.facet import size_of_bytes
from classifier.terms import TERMS_VERSION

if TYPE_CHECKING:
    DjangoUserAdmin: TypeAlias = auth_admin.UserAdmin[User]
    PasswordForm: TypeAlias = auth_forms.AdminPasswordChangeForm[User]

    class ListedUser(User):
        """With what the admin's query adds."""

        is_in_reviewers: bool
        photo_total: int
        stored_bytes: int

else:  # they take no parameters outside of the stubs
    DjangoUserAdmin, PasswordForm = auth_admin.UserAdmin, auth_forms.AdminPasswordChangeForm


class NewPasswordForm(PasswordForm):
    """Whoever needs a new password from an administrator has lost the old one, perhaps to somebody."""

    def save(self, commit: bool = True) -> User:
        with transaction.atomic():
            user: User = super().save(commit)
            tokens.revoke_all(user, because="password set by an administrator")
        return user


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):
    list_display = (
        *("username", "email", "is_active", "is_staff", "reviews", "photo_total", "stored"),
        *("terms_version", "date_joined", "last_login"),
    )
    list_filter = ("is_active", "is_staff", "groups")
    show_full_result_count = False
    search_fields = ("username", "email", "first_name", "last_name", "uid")
    actions = ("make_reviewers", "end_reviewing", "accept_terms", "lift_limits", "remove_second_factors")
    change_password_form = NewPasswordForm
    fieldsets = (
        (None, {"fields": ("username", "password", "uid")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Terms of use", {"fields": ("terms_version", "terms_accepted_at", "terms_accepted_by")}),
        ("Storage", {"fields": ("quota_bytes", "stored")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),)
    readonly_fields = (
        *("uid", "terms_version", "terms_accepted_at", "terms_accepted_by"),
        *("stored", "last_login", "date_joined"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        photos = Photo.objects.filter(owner=OuterRef("pk"), deleting_at=None).order_by().values("owner")
        people: QuerySet[User] = (
            super()
            .get_queryset(request)
            .filter(deleting_at=None)
            .annotate(
                is_in_reviewers=Exists(Group.objects.filter(name=REVIEWERS, user=OuterRef("pk"))),
                photo_total=Coalesce(Subquery(photos.annotate(n=Count("pk")).values("n")), 0),
                stored_bytes=Coalesce(
                    Subquery(photos.annotate(n=Sum("stored_bytes")).values("n"), output_field=IntegerField()), 0
                ),
            )
        )
        return people

    @admin.display(description="reviewer", boolean=True, ordering="is_in_reviewers")
    def reviews(self, user: "ListedUser") -> bool:
        return user.is_in_reviewers

    @admin.display(description="photos", ordering="photo_total")
    def photo_total(self, user: "ListedUser") -> int:
        return user.photo_total

    @admin.display(description="stored", ordering="stored_bytes")
    def stored(self, user: "ListedUser") -> str:
        return f"{size_of_bytes(user.stored_bytes)} of {size_of_bytes(user.allowed_bytes())}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody gives rights, to himself or others, that go beyond his own."""
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*super().get_readonly_fields(request, obj), *rights)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj != request.user and super().has_delete_permission(request, obj)

    def has_rights_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # one person at a time, with a page that says what goes
        return actions

    @admin.action(description="Make reviewers", permissions=["rights"])
    def make_reviewers(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        group, _ = Group.objects.get_or_create(name=REVIEWERS)
        with transaction.atomic():
            people = list(queryset)
            group.user_set.add(*people)
            record(request, "reviewer made", rows=people)

    @admin.action(description="End reviewing", permissions=["rights"])
    def end_reviewing(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        with transaction.atomic():
            people = list(queryset)
            Group.objects.get(name=REVIEWERS).user_set.remove(*people)
            record(request, "reviewing ended", rows=people)

    @admin.action(description="Record that they accepted the terms of use", permissions=["change"])
    def accept_terms(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset.exclude(terms_version=TERMS_VERSION))
        if not people:
            self.message_user(request, "They have accepted these terms already.", messages.WARNING)
            return
        with transaction.atomic():
            for user in sorted(people, key=attrgetter("pk")):
                user.accept_terms(version=TERMS_VERSION, by=request.user.get_username())
            record(request, "terms accepted", rows=people, version=TERMS_VERSION)

    @admin.action(description="Lift the limits on their log-ins", permissions=["change"])
    def lift_limits(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset)
        with transaction.atomic():
            for user in people:
                attempts.lift_limits(user)
            record(request, "log-in limits lifted", rows=people)
        self.message_user(request, "They can try to log in again at once.", messages.SUCCESS)

    @admin.action(description="Remove their second factors (they lost them)", permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset)
        with transaction.atomic():
            count = sum(second_factors.remove_all(user) for user in people)
            record(request, "second factors removed by an administrator", rows=people)
        self.message_user(request, f"{count} removed. Their passwords alone let them in.", messages.SUCCESS)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        counts = {
            "users": len(objs),
            "collections": Collection.objects.filter(owner__in=objs).count(),
            "photos": Photo.objects.filter(owner__in=objs).count(),
            "API tokens": AccessToken.objects.filter(user__in=objs).count(),
        }
        return summarise(objs), counts, set(), []

    def remove_rows(self, rows: list[User]) -> None:
        # Marked with the line in the audit log or not at all; files must not go before the mark on their rows is kept.
        for user in rows:
            accounts.mark_account(user)
            transaction.on_commit(partial(deletion.finish_account, user))


admin.site.unregister(Group)
admin.site.unregister(EmailAddress)
# They show secrets, and addresses that open the sessions of others. The actions on people do what is needed.
admin.site.unregister(mfa_admin.Authenticator)
admin.site.unregister(sessions_admin.UserSession)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    """Django's own; what groups may do is a matter for the audit log."""


@admin.register(EmailAddress)
class EmailAddressAdmin(AuditedAdmin, AllauthEmailAddressAdmin):
    """Allauth's own; an address is a way into an account."""


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "scope", "token_key", "created", "last_used_at", "expiry", "works")
    list_display_links = None  # their addresses would hold the hash
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "token_key")
    fields = ("name", "user", "scope", "token_key", "created", "last_used_at", "expiry", "works")
    readonly_fields = ("works",)
    actions = ("revoke",)

    @admin.display(boolean=True)
    def works(self, token: AccessToken) -> bool:
        return not token.is_expired() and token.user.is_active

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("classifier.delete_accesstoken")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[AccessToken]) -> None:
        chosen = list(queryset)
        with transaction.atomic():
            for token in chosen:
                tokens.revoke_token(token)
            record(request, "access token revoked", rows=chosen)
        self.message_user(request, "Revoked. Requests with it answer 401 from now on.", messages.SUCCESS)


class InvitationStateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "can be used"), ("used", "used"), ("expired", "expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> QuerySet[Invitation]:
        match self.value():
            case "open":
                return queryset.filter(pk__in=Invitation.usable())
            case "used":
                return queryset.exclude(used_at=None)
            case "expired":
                return queryset.filter(Q(expires_at__lte=timezone.now()), used_at=None)
        return queryset


@admin.register(Invitation)
class InvitationAdmin(AuditedAdmin):
    list_display = ("__str__", "link", "created_by", "created_at", "expires_at", "used_by", "used_at")
    list_filter = (InvitationStateFilter,)
    list_select_related = ("created_by", "used_by")
    search_fields = ("note", "used_by__username", "created_by__username")
    fields = ("note", "expires_at", "link", "created_by", "created_at", "used_by", "used_at")
    readonly_fields = ("link", "created_by", "created_at", "used_by", "used_at")

    class Media:
        js = (Script("js/admin_copy.js", type="module"),)

    @admin.display(description="link to sign up with")
    def link(self, invitation: Invitation) -> SafeString | str:
        if invitation.pk is None or invitation.used_at or _is_over(invitation):
            return "–"
        address = f"{settings.SITE_URL.rstrip('/')}{reverse('account_signup')}?{urlencode({'invite': invitation.code})}"
        return format_html(
            '<input type="text" readonly value="{}" size="40" aria-label="Link to sign up with">'
            ' <button type="button" class="button" data-copy hidden>Copy</button>',
            address,
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("note", "expires_at") if obj is None else super().get_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = administrator(request)
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.used_at is None) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A used invitation stays: it says how somebody came here."""
        return (obj is None or obj.used_at is None) and super().has_delete_permission(request, obj)


def _is_over(invitation: Invitation) -> bool:
    return invitation.expires_at is not None and invitation.expires_at <= timezone.now()
