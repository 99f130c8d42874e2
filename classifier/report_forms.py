"""What a report shall be about, as people choose it on the page and as its address tells it."""

import math
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from classifier.intake import tables
from classifier.models import Collection, User
from classifier.services.reports import grouping, questions
from classifier.services.reports.questions import Question, Reference
from classifier.templatetags.facet import group_label
from ml.attributes import ATTRIBUTES
from ml.labels import TAXONOMIES, attribute_of
from ml.surveying.survey import SMALL_FACE_PX

WIDEST_PX = 1_000
REFERENCE_BYTES, MOST_LINES, NAME_LENGTH = 20_000, 1_000, 60
BY_SHORT = {attribute.short: name for name, attribute in ATTRIBUTES.items()}


class QuestionForm(forms.Form):
    """How the report is told; the gallery's filters stand beside it, in a form of their own."""

    taxonomy = forms.ChoiceField(label="grouping", required=False)
    narrowest = forms.IntegerField(
        label="smallest face, in pixels",
        required=False,
        min_value=1,
        max_value=WIDEST_PX,
        help_text="Narrower faces are not counted.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    by = forms.ChoiceField(label="told apart by", required=False)
    other = forms.ChoiceField(
        label="held against",
        required=False,
        error_messages={"invalid_choice": "This collection was deleted, or is not open to you."},
    )

    def __init__(self, data: Mapping[str, Any], *, collection: Collection, user: User) -> None:
        super().__init__(data)
        self.collection = collection
        offered = [name for name in TAXONOMIES if attribute_of(name) in collection.attributes]
        if offered:
            self._choices("taxonomy", [(name, group_label(name)) for name in offered])
        else:
            del self.fields["taxonomy"]
        groupings = grouping.list_groupings(collection)
        if groupings:
            self._choices("by", [("", "nothing"), *groupings])
        else:
            del self.fields["by"]
        others = Collection.objects.visible_to(user).filter(is_aggregate_only=False).exclude(pk=collection.pk)
        found = [(str(uid), name) for uid, name in others.order_by("name").values_list("uid", "name")]
        if found:
            self._choices("other", [("", "no other collection"), *found])
        else:
            del self.fields["other"]
        if collection.is_aggregate_only:
            for name in ("narrowest", "by", "other"):  # what is gone can neither be narrowed nor told apart
                self.fields.pop(name, None)
        # What is not asked for stands there as it is taken.
        self.data = {"taxonomy": collection.taxonomy, "narrowest": str(SMALL_FACE_PX), **data}

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    def read_question(self, *, filters: Mapping[str, str], reference: Reference | None) -> Question:
        """The question; what is not valid is taken as if it had not been said.

        It holds the collection against one thing: against another collection, where both were told.
        """
        self.errors  # noqa: B018 - cleans what was asked for
        cleaned = self.cleaned_data
        other = cleaned.get("other") or ""
        return Question(
            taxonomy=cleaned.get("taxonomy") or self.collection.taxonomy,
            narrowest_px=cleaned.get("narrowest") or SMALL_FACE_PX,
            filters=dict(filters),
            by=cleaned.get("by") or "",
            other=other,
            reference=None if other else reference,
        )


class ReferenceForm(forms.Form):
    """Shares that are known from elsewhere, typed or in a CSV file."""

    name = forms.CharField(max_length=NAME_LENGTH, initial="reference", label="called")
    text = forms.CharField(
        required=False,
        max_length=REFERENCE_BYTES,
        label="shares",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )
    file = forms.FileField(required=False, label="or a CSV file")

    def __init__(self, *args: Any, labels: Mapping[str, tuple[str, ...]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.labels = labels

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if file is not None and file.size > REFERENCE_BYTES:
            raise ValidationError("This file is too large to be a table of shares.")
        if not self.errors:
            content = file.read() if file is not None else cleaned.get("text", "").encode()
            cleaned["shares"] = parse_shares(content, labels=self.labels)
        return cleaned


def read_reference(data: Mapping[str, Any], *, labels: Mapping[str, tuple[str, ...]]) -> Reference | None:
    """The reference that an address holds, None where it holds none. Raises ValidationError as `parse_shares` does."""
    text = str(data.get("reference", ""))
    if not text:
        return None
    if len(text) > REFERENCE_BYTES:
        raise ValidationError("This is too long to be a table of shares.")
    return Reference(
        str(data.get("reference_name", ""))[:NAME_LENGTH] or "reference", parse_shares(text.encode(), labels=labels)
    )


def write_reference(shares: Mapping[str, Mapping[str, float]]) -> str:
    """The lines that an address holds."""
    return "\n".join(f"{name},{label},{share:.6g}" for name, of in shares.items() for label, share in of.items())


def parse_shares(content: bytes, *, labels: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, float]]:
    """Shares of 0 to 1 per attribute and label, in the order of the labels.

    `content` is a table as `intake.tables` reads it, of attribute, label and share, with a header or without. Raises
    ValidationError with the line for what does not fit.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        table = tables.read_table(content, most_rows=MOST_LINES)
    except tables.UnreadableTable as error:
        raise ValidationError("There is no share in these lines." if error.code == "empty" else str(error)) from None
    first = [(1, table.header)] if table.header[-1].lower() != "share" else []
    for number, told in [*first, *table.rows]:
        if len(told) != 3:
            raise ValidationError(f"Line {number} is not attribute, label and share.")
        name = BY_SHORT.get(told[0].lower(), told[0].lower())
        if name not in labels:
            raise ValidationError(f"Line {number}: “{told[0]}” is none of {', '.join(labels)}.")
        by_word = {word: label for label in labels[name] for word in (label.lower(), group_label(label).lower())}
        label = by_word.get(told[1].lower())
        if label is None:
            raise ValidationError(f"Line {number}: “{told[1]}” is none of {', '.join(map(group_label, labels[name]))}.")
        if label in found.setdefault(name, {}):
            raise ValidationError(f"Line {number}: {told[1]} has a share already.")
        found[name][label] = _parse_share(told[2], number=number)
    if not found:
        raise ValidationError("There is no share in these lines.")
    return {name: _check_sum(found[name], name=name, labels=labels[name]) for name in labels if name in found}


def _parse_share(text: str, *, number: int) -> float:
    try:
        share = float(text.removesuffix("%").strip().replace(",", "."))
    except ValueError:
        share = math.nan
    if not 0 <= share <= 100:
        raise ValidationError(f"Line {number}: “{text}” is no share.")
    return share


def _check_sum(shares: Mapping[str, float], *, name: str, labels: tuple[str, ...]) -> dict[str, float]:
    """Shares that add up to 1, or to 100, with every label."""
    missing = [group_label(label) for label in labels if label not in shares]
    if missing:
        raise ValidationError(f"The shares of {name} lack {', '.join(missing)}.")
    total = sum(shares.values())
    if not (abs(total - 1) < 0.011 or abs(total - 100) < 1.1):
        raise ValidationError(f"The shares of {name} add up to {total:.4g}: it has to be 1, or 100 per cent.")
    return {label: shares[label] / total for label in labels}


def describe_question(question: Question, *, collection: Collection, against: str = "") -> str:
    """What was asked, in some words, for the line above the form."""
    told = [group_label(question.taxonomy)] if attribute_of(question.taxonomy) in collection.attributes else []
    told.append(f"faces of {question.narrowest_px} px and wider")
    if question.by:
        told.append(f"by {question.grouped_by}")
    if against:
        told.append(f"against {against}")
    return ", ".join(told)


def offer_labels(collection: Collection, *, taxonomy: str) -> dict[str, tuple[str, ...]]:
    """The labels by attribute that reference shares may name."""
    return questions.list_labels(collection.attributes, taxonomy=taxonomy)
