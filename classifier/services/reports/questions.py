"""What a report shall be about."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from classifier.models.reports import hash_text, write_canonical
from ml.labels import ATTRIBUTES, attribute_of
from ml.shares import schemes
from ml.surveying.survey import SMALL_FACE_PX

MONTH, FOLDER, TAG = "month", "folder", "tag:"  # what a report is told apart by; a column of tags by its name behind


@dataclass(frozen=True)
class Reference:
    """Shares (0..1) that are known from elsewhere, per attribute and label; `name` is what they are called."""

    name: str
    shares: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Question:
    """One question to a collection: the same one has the same answer while nothing under it changes.

    `filters` are those of the gallery by their names in its address. `other` is the key of a collection that this one
    is held against.
    """

    taxonomy: str
    narrowest_px: int = SMALL_FACE_PX
    filters: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    other: str = ""
    reference: Reference | None = None

    def to_values(self) -> dict[str, Any]:
        """The question as plain values that JSON holds."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Question":
        """The question that `to_values` wrote. Raises TypeError for a field that no question has."""
        reference = values.get("reference")
        return cls(**{**values, "reference": Reference(**reference) if reference else None})

    @property
    def key(self) -> str:
        """The hash that tells two questions apart, the same for the same question at any time."""
        return hash_text(write_canonical(self.to_values()))

    @property
    def grouped_by(self) -> str:
        """What the parts are called: month, folder, or the column's own name."""
        return self.by.removeprefix(TAG)


def list_labels(attributes: Iterable[str], *, taxonomy: str) -> dict[str, tuple[str, ...]]:
    """The labels that a report tells of each attribute, ages in their bands."""
    classes = {name: tuple(of) for name, of in ATTRIBUTES.items() if name in set(attributes)}
    if not classes:
        return {}
    told = schemes.standard_schemes(classes, taxonomy=taxonomy if attribute_of(taxonomy) in classes else None)
    return {scheme.name: scheme.labels for scheme in told if len(scheme.parts) == 1}
