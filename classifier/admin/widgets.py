"""Widgets of the admin that also those can use who do not see the page."""

from typing import Any

from django.contrib.admin.widgets import AdminSplitDateTime


class NamedDateTime(AdminSplitDateTime):
    """A day and a time; Django's own has their names beside the fields, but not as labels."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for part, label in zip(context["widget"]["subwidgets"], ("Day", "Time"), strict=True):
            part["attrs"]["aria-label"] = label
        return context
