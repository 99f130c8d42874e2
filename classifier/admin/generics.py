"""Django's classes for its admin, told to mypy as for rows of any model: only in its stubs do they take parameters."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    TabularInline: TypeAlias = admin.TabularInline[Any, Any]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline
