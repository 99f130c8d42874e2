"""Pages of a long list by where they start, not by number: as fast at photo 100,000 as at photo 1.

Rows that arrive or go meanwhile move nothing: a cursor is the place of a row, signed, and a way to go from there.
"""

from dataclasses import dataclass
from typing import Any, cast

from django.core import signing
from django.db.models import Field, Model, Q, QuerySet

PAGE_SIZE = 48  # divides into rows of 2, 3, 4, 6 and 8


class InvalidCursor(Exception):
    """A cursor that this list, in this order, never gave out."""


@dataclass(frozen=True)
class Page:
    """Some rows of a list and the cursors of the pages around them; an empty cursor: there is none."""

    rows: list[Any]
    previous: str
    next: str


def read_page(queryset: QuerySet[Any], *, order: str, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """One page of a queryset in the order of a field (`-field` downwards) and of `id` among equals.

    `cursor` comes from an earlier page of the same list in the same order; without one it is the first page. Raises
    InvalidCursor.
    """
    fields = _fields_of(order)
    salt = _salt(queryset, order=order)
    backwards, values = _read_cursor(cursor, fields=fields, salt=salt, model=queryset.model) if cursor else (False, [])
    is_downwards = order.startswith("-") != backwards
    if values:
        queryset = queryset.filter(_beyond(fields, values, downwards=is_downwards))
    sign = "-" if is_downwards else ""
    rows = list(queryset.order_by(*(f"{sign}{field}" for field in fields))[: size + 1])
    has_more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous, has_next = (has_more, True) if backwards else (bool(values), has_more)
    return Page(
        rows=rows,
        previous=_cursor(rows[0], fields=fields, backwards=True, salt=salt) if has_previous and rows else "",
        next=_cursor(rows[-1], fields=fields, backwards=False, salt=salt) if has_next and rows else "",
    )


def read_page_around(queryset: QuerySet[Any], *, row: Any, order: str, before: int, size: int = PAGE_SIZE) -> Page:
    """The page that has a row in it, with `before` rows of the list ahead of that one (or as many as there are)."""
    ahead = list(_before(queryset.prefetch_related(None), row=row, order=order)[: before + 1])
    if len(ahead) <= before:
        return read_page(queryset, order=order, size=size)
    fields, salt = _fields_of(order), _salt(queryset, order=order)
    cursor = _cursor(ahead[-1], fields=fields, backwards=False, salt=salt)
    return read_page(queryset, order=order, cursor=cursor, size=size)


def find_neighbours(queryset: QuerySet[Any], *, row: Any, order: str = "-received_at") -> tuple[Any, Any]:
    """The rows before and after one in an order, as in `read_page`; None where there is none."""
    before, after = (_before(queryset, row=row, order=way).first() for way in (order, _turned(order)))
    return before, after


def is_before(row: Any, *, order: str) -> Q:
    """What stands before a row in an order."""
    fields = _fields_of(order)
    return _beyond(fields, [getattr(row, field) for field in fields], downwards=not order.startswith("-"))


def _before(queryset: QuerySet[Any], *, row: Any, order: str) -> QuerySet[Any]:
    """What stands before a row in an order, the nearest first."""
    sign = "" if order.startswith("-") else "-"
    return queryset.filter(is_before(row, order=order)).order_by(*(f"{sign}{field}" for field in _fields_of(order)))


def _turned(order: str) -> str:
    return order.removeprefix("-") if order.startswith("-") else f"-{order}"


def _salt(queryset: QuerySet[Any], *, order: str) -> str:
    return f"facet.cursor:{queryset.model._meta.label}:{order}"


def _fields_of(order: str) -> tuple[str, ...]:
    """The field and, among its equals, `id`: every row has a place of its own."""
    field = order.removeprefix("-")
    return (field,) if field == "id" else (field, "id")


def _beyond(fields: tuple[str, ...], values: list[Any], *, downwards: bool) -> Q:
    """What follows a row in the order of some fields; said so that an index begins there instead of at its end."""
    field, value = fields[0], values[0]
    towards = "lt" if downwards else "gt"
    after = Q(**{f"{field}__{towards}": value})
    if len(fields) == 1:
        return after
    return Q(**{f"{field}__{towards}e": value}) & (after | _beyond(fields[1:], values[1:], downwards=downwards))


def _cursor(row: Model, *, fields: tuple[str, ...], backwards: bool, salt: str) -> str:
    plain = [_field(row, name).value_to_string(row) for name in fields]
    return signing.dumps([backwards, plain], salt=salt)


def _read_cursor(cursor: str, *, fields: tuple[str, ...], salt: str, model: type[Model]) -> tuple[bool, list[Any]]:
    try:
        backwards, plain = signing.loads(cursor, salt=salt)
    except (signing.BadSignature, ValueError):
        raise InvalidCursor from None
    return backwards, [_field(model, name).to_python(text) for name, text in zip(fields, plain, strict=True)]


def _field(model: Model | type[Model], name: str) -> "Field[Any, Any]":
    """A field, which knows how to tell its values as text and back."""
    return cast("Field[Any, Any]", model._meta.get_field(name))
