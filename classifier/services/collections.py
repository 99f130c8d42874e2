"""Collections come into being, named ones with a declaration and everybody's Inbox, and change."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from classifier.models import Collection, ComputedReport, Explanation, Prediction, User
from classifier.models.collections import INBOX_NAME, INBOX_PURPOSE, all_attributes
from classifier.services import aggregates, audit, explanations, exports, predictions
from classifier.services.reviews import forgetting
from classifier.terms import TERMS_VERSION
from ml.labels import FINEST

NO_DAYS = "An aggregate-only collection keeps no photos, and so no days on which they were taken."


def create_collection(
    owner: User,
    *,
    name: str,
    purpose: str,
    attributes: list[str] | None = None,
    taxonomy: str = FINEST,
    detail: str = Collection.Detail.NORMAL,
    retention_days: int | None = None,
    is_opened_to_reviewers: bool = False,
    keeps_capture_dates: bool = False,
    is_aggregate_only: bool = False,
) -> Collection:
    """A collection whose declaration `owner` has just accepted: the text's version and the time are kept with it.

    `attributes` are those to compute and store (None: all); `taxonomy` is the grouping that its pages start
    with, `detail` how closely photos are searched. Of an aggregate-only one, for good, only sums are kept, and no days
    to tell it by.
    """
    wanted = all_attributes() if attributes is None else attributes
    return Collection.objects.create(
        owner=owner,
        name=name,
        purpose=purpose,
        attributes=[attribute for attribute in all_attributes() if attribute in wanted],
        taxonomy=taxonomy,
        detail=detail,
        retention_days=retention_days,
        is_opened_to_reviewers=is_opened_to_reviewers,
        keeps_capture_dates=keeps_capture_dates and not is_aggregate_only,
        is_aggregate_only=is_aggregate_only,
        terms_version=TERMS_VERSION,
        terms_accepted_at=timezone.now(),
        terms_accepted_by=owner,
    )


def make_declaration(collection: Collection, *, by: User) -> None:
    """Keep that `by` made the declaration as it stands now; the audit log keeps it beside what was made before."""
    with transaction.atomic():
        collection.terms_version, collection.terms_accepted_at = TERMS_VERSION, timezone.now()
        collection.terms_accepted_by = by
        collection.save(update_fields=["terms_version", "terms_accepted_at", "terms_accepted_by"])
        details = {"version": TERMS_VERSION}
        audit.record("declaration made", actor=by, target=f"collection {collection.uid}", details=details)


def change_collection(collection: Collection, *, actor: User | None, **values: Any) -> None:
    """Set fields of a collection: name, purpose, attributes, taxonomy, detail, retention_days, is_opened_to_reviewers.

    What was stored of an attribute that is switched off is removed, and the audit log says so; run the photos again
    to have it back after switching it on. Raises ValueError for what was promised when the collection was made.
    """
    if promised := {"is_aggregate_only", "keeps_capture_dates"} & values.keys():
        raise ValueError(f"{', '.join(sorted(promised))}: decided when the collection was made")
    with transaction.atomic():
        before = Collection.objects.select_for_update(no_key=True).get(pk=collection.pk).attributes
        for name, value in values.items():
            setattr(collection, name, value)
        collection.attributes = [name for name in all_attributes() if name in collection.attributes]
        collection.save(update_fields=[*{*values, "attributes"}, "updated_at"])
        Collection.objects.filter(pk=collection.pk).note_answers()
        removed = [attribute for attribute in before if attribute not in collection.attributes]
        if removed:
            # What was computed of it goes at once; a report that somebody kept stays as it is.
            ComputedReport.objects.filter(Q(collection=collection) | Q(other=collection)).delete()
            stored = Prediction.objects.filter(face__photo__collection=collection)
            count = predictions.forget_attributes(stored, attributes=removed)
            explained = Explanation.objects.filter(face__photo__collection=collection)
            explanations.forget(explained.filter(attribute__in=removed))
            reviewed = forgetting.forget_attributes(collection, attributes=removed)
            sums = aggregates.forget_attributes(collection, attributes=removed)
            transaction.on_commit(lambda: exports.make_anew(collection))
            audit.record(
                "attributes switched off",
                actor=actor,
                target=f"collection {collection.uid}",
                details={"attributes": removed, "predictions": count, **reviewed, **({"sums": sums} if sums else {})},
            )


def switch_off_for_site(*, until: float = math.inf) -> bool:
    """Remove from all collections what is switched off for the whole site; whether it was done `until` a moment."""
    everything = Collection.objects.filter(deleting_at=None).order_by("pk").values_list("pk", "attributes")
    for pk in [pk for pk, on in everything if set(on) & set(settings.ATTRIBUTES_OFF)]:
        if monotonic() > until:
            return False
        change_collection(Collection.objects.get(pk=pk), actor=None)
    return True


@dataclass(frozen=True)
class Removal:
    """What goes with an attribute that is switched off: results, and what people said in reviews."""

    results: int
    reviews: int
    draws: int

    def __str__(self) -> str:
        counts = (("result", self.results), ("review", self.reviews), ("draw", self.draws))
        told = [f"{count:,} {word}{'s' if count > 1 else ''}" for word, count in counts if count]
        return " and ".join(filter(None, (", ".join(told[:-1]), *told[-1:])))


def foresee_removal(collection: Collection, *, attributes: Iterable[str]) -> dict[str, Removal]:
    """What would go with each of these attributes; those with which nothing goes are left out."""
    if collection.is_aggregate_only:
        counted = aggregates.count_told(collection)
        removals = {name: Removal(counted.get(name, 0), reviews=0, draws=0) for name in attributes}
        return {name: removal for name, removal in removals.items() if str(removal)}
    faces = Count("face", distinct=True)
    stored = Prediction.objects.filter(face__photo__collection=collection)
    removals = {
        name: Removal(
            results=stored.filter(vectors__has_key=name).aggregate(n=faces)["n"],
            **forgetting.count_attribute(collection, attribute=name),
        )
        for name in attributes
    }
    return {name: removal for name, removal in removals.items() if str(removal)}


def get_inbox(user: User) -> Collection:
    """The collection for photos sent without one, made on first use; the terms of sign-up cover it.

    Two first uses at once get the same one: the database allows one Inbox per owner.
    """
    inbox, _ = Collection.objects.get_or_create(
        owner=user, is_inbox=True, deleting_at=None, defaults={"name": INBOX_NAME, "purpose": INBOX_PURPOSE}
    )
    return inbox
