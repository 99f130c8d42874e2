"""Pages of a list, newest first, by opaque cursors: rows that arrive or go meanwhile move nothing."""

from typing import TYPE_CHECKING, Any

from rest_framework import exceptions, status
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from classifier.api import errors
from classifier.services import paging

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
    """The pages of `services.paging`, in the order that the view's `newest_by` names: a field, downwards."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.url = request.build_absolute_uri()
        size, cursor = self._read_page_size(request), request.query_params.get("cursor", "")
        try:
            self.page = paging.read_page(queryset, order=f"-{view.newest_by}", cursor=cursor, size=size)
        except paging.InvalidCursor:
            raise InvalidCursor from None
        return self.page.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"next": self._link(self.page.next), "previous": self._link(self.page.previous), "results": data}
        )

    def _link(self, cursor: str) -> str | None:
        return replace_query_param(self.url, "cursor", cursor) if cursor else None

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
