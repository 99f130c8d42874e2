"""What the admin pages share: rows that are only looked at, and changes that go into the audit log."""

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from classifier.admin.generics import ModelAdmin
from classifier.models import User
from classifier.services import audit, deletion


class ReadOnlyAdmin(ModelAdmin):
    """Rows that Facet writes: shown, never added, changed or removed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedAdmin(ModelAdmin):
    """Everything done here is written to the audit log in the same transaction as to Django's own log."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request, f"{self.opts.verbose_name} added", rows=[obj])
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record(request, f"{self.opts.verbose_name} changed", rows=[obj], fields=_changed_fields(message))
        return super().log_change(request, obj, message)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, self.model._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset)
        self.remove_rows(rows)
        record(request, f"{self.opts.verbose_name} deleted", rows=rows)  # last, since everybody else waits for the log

    def remove_rows(self, rows: list[Any]) -> None:
        """Delete rows inside of the transaction that tells of it."""
        chosen = self.model._default_manager.filter(pk__in=[row.pk for row in rows])
        deletion.forget_log_entries(chosen)  # Django's own log would keep the names of what is gone
        chosen.delete()


def record(request: HttpRequest, action: str, *, rows: Iterable[Model], **details: Any) -> None:
    """One line in the audit log about one row or several, by the administrator who asks."""
    targets = [name_row(row) for row in rows]
    if len(targets) == 1:
        target = targets[0]
    else:
        target, details["targets"] = "", targets
    audit.record(action, actor=administrator(request), target=target, details={"via": "admin", **details})


def administrator(request: HttpRequest) -> User:
    """Who asks: the admin lets nobody in who is not logged in."""
    return cast(User, request.user)


def name_row(row: Model) -> str:
    """A row as the audit log names it: its kind and its uid, or its key where it has no uid."""
    return f"{row._meta.verbose_name} {getattr(row, 'uid', row.pk)}"


def link_to(row: Model | None, *, text: str = "") -> SafeString | str:
    """A link to a row's page in the admin."""
    if row is None:
        return "–"
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, text or str(row))


def summarise(rows: QuerySet[Any] | list[Any], *, shown: int = 20) -> list[str]:
    """What a page that asks "really delete?" lists: the first rows by name, the rest as a number."""
    names = [str(row) for row in rows[:shown]]
    count = len(rows) if isinstance(rows, list) else rows.count()
    return [*names, f"and {count - shown} more"] if count > shown else names


def _changed_fields(message: Any) -> list[str]:
    """The names in Django's structured change message; it may also be plain text."""
    if not isinstance(message, list):
        return []
    return [str(field) for part in message for field in part.get("changed", {}).get("fields", ())]
