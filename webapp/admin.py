"""The admin site: whatever is registered on it, by Facet or by a library, obeys `classifier.admin.reach`."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import actions
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.db import transaction


class AdminConfig(DjangoAdminConfig):
    default_site = "webapp.admin.FacetAdminSite"


class FacetAdminSite(admin.AdminSite):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Django writes its log first, and without a transaction: it would tell of deletions that failed.
        self.add_action(transaction.atomic(actions.delete_selected), "delete_selected")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        from classifier.admin.reach import GuardedAdmin  # needs the models, which are loaded after this module

        chosen: type[admin.ModelAdmin[Any]] = admin_class or admin.ModelAdmin
        guarded = type(chosen.__name__, (GuardedAdmin, chosen), {"__module__": chosen.__module__})
        super().register(model_or_iterable, guarded, **options)
