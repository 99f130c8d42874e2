"""The admin site: whatever is registered on it, by Facet or by a library, obeys `classifier.admin.reach`."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    default_site = "webapp.admin.FacetAdminSite"


class FacetAdminSite(admin.AdminSite):
    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        from classifier.admin.reach import GuardedAdmin  # needs the models, which are loaded after this module

        chosen: type[admin.ModelAdmin[Any]] = admin_class or admin.ModelAdmin
        guarded = type(chosen.__name__, (GuardedAdmin, chosen), {"__module__": chosen.__module__})
        super().register(model_or_iterable, guarded, **options)
