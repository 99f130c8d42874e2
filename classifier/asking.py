"""The question that an address asks of a collection: pages and API read it alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError

from classifier.filters import PhotoFilter
from classifier.models import Collection, Photo, User
from classifier.report_forms import QuestionForm, offer_labels, read_reference, write_reference
from classifier.services.reports.questions import Question
from ml.labels import TAXONOMIES, attribute_of

NOT_ASKED = ("shown", "format", "csrfmiddlewaretoken")  # of an address: no part of its question


@dataclass(frozen=True)
class Asked:
    """The question of an address, with the forms that show it, and the address's own part of it.

    `refused` says why the shares that it brings to hold the report against are not taken.
    """

    question: Question
    form: QuestionForm
    filter: PhotoFilter
    query: str
    refused: str = ""

    @property
    def against(self) -> str:
        """What the report is held against, by its name; empty: nothing."""
        if self.question.reference:
            return self.question.reference.name
        if not self.question.other:
            return ""
        choices: Any = self.form.fields["other"]
        return str(dict(choices.choices)[self.question.other])


def read_asked(data: Mapping[str, str], *, user: User, collection: Collection) -> Asked:
    """The question of an address. What is not valid in it counts as not said; the forms tell what that is.

    Of an aggregate-only collection nothing but a grouping is asked.
    """
    told = {name: str(value) for name, value in data.items() if name not in NOT_ASKED}
    taxonomy = told.get("taxonomy", "")
    is_offered = taxonomy in TAXONOMIES and attribute_of(taxonomy) in collection.attributes
    taxonomy = taxonomy if is_offered else collection.taxonomy
    photos = Photo.objects.filter(collection=collection, deleting_at=None)
    found = PhotoFilter(data, queryset=photos, taxonomy=taxonomy, collection=collection)
    filters = {} if collection.is_aggregate_only else _pick_filters(told, found=found)
    form = QuestionForm(told, collection=collection, user=user)
    known, refused = None, ""
    try:
        if not collection.is_aggregate_only:
            known = read_reference(told, labels=offer_labels(collection, taxonomy=taxonomy))
    except ValidationError as error:
        refused = " ".join(error.messages)
    question = form.read_question(filters=filters, reference=known)
    kept = {name: value for name, value in told.items() if value and (name in form.fields or name in filters)}
    if question.reference:
        kept |= {"reference": write_reference(question.reference.shares), "reference_name": question.reference.name}
    return Asked(question, form, found, urlencode(kept), refused)


def _pick_filters(told: Mapping[str, str], *, found: PhotoFilter) -> dict[str, str]:
    """The filters that are set, by their names in the address: those of a range are the filter's and a word more."""
    active = [one.name for one in found.list_active()]
    return {
        key: value
        for key, value in told.items()
        if value and any(key == name or key.startswith(f"{name}_") for name in active)
    }


def entitle(collection: Collection, *, asked: Asked) -> str:
    """What a kept report is about: the collection, what it was narrowed to, and how it was told."""
    question = asked.question
    told = [f"{one.label.lower()} {one.value}" for one in asked.filter.list_active()]
    told += [f"by {question.grouped_by}"] if question.by else []
    told += [f"against {asked.against}"] if asked.against else []
    return ", ".join([collection.name, *told])[:200]
