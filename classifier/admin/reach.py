"""Whose rows an administrator may change: nobody's who has more rights. The site puts this before every admin class."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.http import HttpRequest

from classifier.admin.base import administrator
from classifier.models import User

RIGHTS = (Group, Permission)  # who changes them changes what others may: they are for superusers
OUT_OF_REACH = "Some of these belong to people with more rights than you have. Nothing was done."


class GuardedAdmin(admin.ModelAdmin):
    """Every way in which the admin changes a row asks `reaches`, for the row as it is and as it would become."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        is_allowed = request.user.is_superuser or not issubclass(self.model, RIGHTS)
        return is_allowed and super().has_add_permission(request, *args)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or reaches(request, obj)) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or reaches(request, obj)) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        refuse_out_of_reach(request, [obj])
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        refuse_out_of_reach(request, [row.instance for row in formset.forms if row.has_changed()])
        super().save_formset(request, form, formset, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        refuse_out_of_reach(request, [obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        if not reaches_all(request, queryset):
            raise PermissionDenied(OUT_OF_REACH)
        super().delete_queryset(request, queryset)

    def get_actions(self, request: HttpRequest) -> Any:
        actions: dict[str, Any] = super().get_actions(request) or {}
        return {name: (_guard(action), *rest) for name, (action, *rest) in actions.items()}


def reaches(request: HttpRequest, row: Model) -> bool:
    """Whether whoever asks may change a row, by whom it belongs to; each of them, if it is several."""
    actor = administrator(request)
    if actor.is_superuser:
        return True
    if isinstance(row, RIGHTS):
        return False
    return not any(outranks(person, actor) for person in set(people_of(row)))


def reaches_all(request: HttpRequest, rows: QuerySet[Any]) -> bool:
    """The same for stored rows, in a few queries however many there are: people choose tens of thousands of photos."""
    actor = administrator(request)
    if actor.is_superuser:
        return True
    if issubclass(rows.model, RIGHTS):
        return not rows.exists()
    return not any(outranks(person, actor) for person in people_of_all(rows))


def refuse_out_of_reach(request: HttpRequest, rows: Iterable[Model]) -> None:
    """Raises PermissionDenied unless all rows, as stored and as they are now, are within reach."""
    for row in rows:
        stored = type(row)._default_manager.filter(pk=row.pk).first() if row.pk else None
        if not all(reaches(request, version) for version in (row, stored) if version):
            raise PermissionDenied(OUT_OF_REACH)


def outranks(person: User, other: User) -> bool:
    """Whether somebody has a right that the other lacks. An account that is switched off counts as if it were on."""
    if person == other or other.is_superuser:
        return False
    if person.is_superuser or (person.is_staff and not other.is_staff):
        return True
    return not _rights_of(person) <= _rights_of(other)


def people_of(row: Model, *, seen: tuple[Model, ...] = ()) -> Iterator[User]:
    """Whom a row belongs to: everybody that it names, or that the rows it hangs on name. A field added later counts.

    An e-mail address belongs to everybody who has it, whatever account it stands at: it opens the door to all of them.
    """
    if isinstance(row, User):
        yield row
    elif isinstance(row, EmailAddress):
        has_it = Q(email__iexact=row.email) | Q(emailaddress__email__iexact=row.email)
        yield from User.objects.filter(has_it).distinct()
    for field in row._meta.concrete_fields:
        parent = getattr(row, field.name, None) if isinstance(field, ForeignKey) else None
        if parent is not None and parent not in seen:  # a row may hang on another of its kind, or on itself
            yield from people_of(parent, seen=(*seen, parent))


def people_of_all(rows: QuerySet[Any]) -> set[User]:
    """Whom stored rows belong to, as `people_of` says it of one."""
    if issubclass(rows.model, EmailAddress) or _is_circular(rows.model):
        return {person for row in rows for person in people_of(row)}
    chosen = rows.model._base_manager.filter(pk__in=rows.order_by().values("pk"))
    keys: set[int] = set()
    for path in _paths_to_people(rows.model):
        keys.update(chosen.exclude(**{path: None}).order_by().values_list(path, flat=True).distinct())
    return set(User._base_manager.filter(pk__in=keys))


def _paths_to_people(model: type[Model]) -> Iterator[str]:
    """How lookups name whom rows of a model belong to: "collection__owner" and so on."""
    if issubclass(model, User):
        yield "pk"
    for name, parent in _parents_of(model):
        yield from (f"{name}__{path}" for path in _paths_to_people(parent))


def _parents_of(model: type[Model]) -> list[tuple[str, type[Model]]]:
    fields = (field for field in model._meta.concrete_fields if isinstance(field, ForeignKey))
    return [(field.name, field.related_model) for field in fields]


def _is_circular(model: type[Model], *, seen: tuple[type[Model], ...] = ()) -> bool:
    """Whether its rows may hang on others of their kind, so that no path is the longest."""
    return model in seen or any(_is_circular(parent, seen=(*seen, model)) for _, parent in _parents_of(model))


def _rights_of(user: User) -> set[int]:
    return set(Permission.objects.filter(Q(user=user) | Q(group__user=user)).values_list("pk", flat=True))


def _guard(action: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(action)
    def guarded(model_admin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        if reaches_all(request, queryset):
            return action(model_admin, request, queryset)
        model_admin.message_user(request, OUT_OF_REACH, messages.ERROR)
        return None

    return guarded
