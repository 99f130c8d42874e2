"""Rows that are locked in one order, whoever locks them (docs/architecture.md)."""

from typing import Any, Self, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


class OrderedQuerySet(models.QuerySet[Row]):
    def in_order(self) -> Self:
        """The same rows for a statement that changes several of them: all lock them in the order of their keys."""
        return self._everything().filter(pk__in=self._held().values("pk"))

    def _held(self) -> Self:
        """The same rows, locked as they are read."""
        rows = self._everything().filter(pk__in=self.order_by().values("pk"))
        return rows.order_by("pk").select_for_update(no_key=True)

    def _everything(self) -> Self:
        everything: Any = self.model._default_manager.all()
        found: Self = everything
        return found
