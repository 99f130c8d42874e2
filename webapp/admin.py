"""The admin site: whatever is registered on it, by Facet or by a library, obeys `classifier.admin.reach`."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import actions
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.db import transaction
from django.db.models import DateTimeField


class AdminConfig(DjangoAdminConfig):
    default_site = "webapp.admin.FacetAdminSite"


class FacetAdminSite(admin.AdminSite):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Django writes its log first, and without a transaction: it would tell of deletions that failed.
        self.add_action(transaction.atomic(actions.delete_selected), "delete_selected")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        # These need the models, which are loaded after this module.
        from classifier.admin.reach import GuardedAdmin
        from classifier.admin.widgets import NamedDateTime

        chosen: type[admin.ModelAdmin[Any]] = admin_class or admin.ModelAdmin
        widgets: dict[Any, Any] = {DateTimeField: {"widget": NamedDateTime}, **chosen.formfield_overrides}
        fields = {"__module__": chosen.__module__, "formfield_overrides": widgets}
        guarded = type(chosen.__name__, (GuardedAdmin, chosen), fields)
        super().register(model_or_iterable, guarded, **options)
