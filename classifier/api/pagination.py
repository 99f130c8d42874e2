"""Pages of a list, newest first, by opaque cursors: rows that arrive or go meanwhile move nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db.models import Model, Q
from rest_framework import exceptions, status
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from classifier.api import errors

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


class InvalidCursor(errors.ApiError):
    """A page that does not exist, so 404: nothing is wrong with the shape of the request."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "invalid_cursor"
    default_detail = "This cursor is not one that this list gave out."

    def __init__(self) -> None:
        super().__init__(details={"cursor": [self.default_detail]})


class NewestFirst(BasePagination):
    """Keyset pages: a cursor is a direction and the last row's values of the view's `newest_by` fields, signed.

    `newest_by` ends in a unique field, so that every row has a place of its own.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        self.fields: Sequence[str] = view.newest_by
        self.salt = f"facet.api.cursor:{queryset.model._meta.label}:{','.join(self.fields)}"
        size = self._read_page_size(request)
        direction, values = self._read_cursor(request)
        newest_first = [f"-{name}" for name in self.fields]
        if direction == "newer":
            rows = list(queryset.filter(self._beyond(values, "gt")).order_by(*self.fields)[: size + 1])
            more = len(rows) > size
            self.rows = rows[:size][::-1]
            self.has_newer, self.has_older = more, True
        else:
            older = queryset.filter(self._beyond(values, "lt")) if values else queryset
            rows = list(older.order_by(*newest_first)[: size + 1])
            self.rows = rows[:size]
            self.has_newer, self.has_older = bool(values), len(rows) > size
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        older = self._link("older", self.rows[-1]) if self.rows and self.has_older else None
        newer = self._link("newer", self.rows[0]) if self.rows and self.has_newer else None
        return Response({"next": older, "previous": newer, "results": data})

    def _beyond(self, values: Sequence[Any], lookup: str) -> Q:
        """Rows after these values in the order of the fields: (a, b) < (x, y) written out."""
        beyond, equal = Q(), Q()
        for name, value in zip(self.fields, values, strict=True):
            beyond |= equal & Q(**{f"{name}__{lookup}": value})
            equal &= Q(**{name: value})
        return beyond & Q(**{f"{self.fields[0]}__{lookup}e": values[0]})  # repeated alone: an index can use it

    def _link(self, direction: str, row: Model) -> str:
        values = [getattr(row, name) for name in self.fields]
        plain = [value.isoformat() if hasattr(value, "isoformat") else value for value in values]
        return replace_query_param(self.url, "cursor", signing.dumps([direction, plain], salt=self.salt))

    def _read_cursor(self, request: Request) -> tuple[str, list[Any]]:
        cursor = request.query_params.get("cursor")
        if not cursor:
            return "older", []
        try:
            direction, values = signing.loads(cursor, salt=self.salt)
        except (signing.BadSignature, ValueError):
            raise InvalidCursor from None
        return direction, values

    def _read_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", str(DEFAULT_PAGE_SIZE))
        if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise exceptions.ValidationError({"page_size": [f"A whole number from 1 to {MAX_PAGE_SIZE}."]})
        return int(text)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "example": "https://…?cursor=…", "description": "Older rows; null on the last page."},
                "previous": {**link, "example": None, "description": "Newer rows; null on the first page."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "From `next` or `previous` of another page of the same list; do not make your own.",
                "schema": {"type": "string"},
            },
            {"name": "page_size", "in": "query", "description": "Rows a page.", "schema": size},
        ]
