"""The JSON of reports: of a collection as it is, where a computation stands, and of those that were kept."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from classifier.filters import BY_SHORT, PhotoFilter
from classifier.models import KeptReport, RemovedReport
from classifier.report_forms import NAME_LENGTH, REFERENCE_BYTES, WIDEST_PX
from classifier.services.reports import keeping
from ml import labels


class ReportSerializer(serializers.Serializer[Any]):
    """Who is pictured in a collection, as perceived. Shares are 0 to 1; keys may be added, none is renamed.

    `docs/reports.md` tells all of them.
    """

    format = serializers.IntegerField()
    source = serializers.CharField(help_text="The collection's name.")  # type: ignore[assignment]
    created_at = serializers.DateTimeField()
    photos = serializers.IntegerField()
    faces = serializers.IntegerField(help_text="Counted ones.")
    model = serializers.CharField()
    basis = serializers.ChoiceField(choices=["counted", "adjusted", "reviewed"], help_text="The weakest estimator.")
    assumption = serializers.CharField()
    notes = serializers.ListField(child=serializers.CharField(), help_text="Limits that a reader must know.")
    cautions = serializers.ListField(child=serializers.CharField(), help_text="Reasons to doubt the assumption.")
    attributes = serializers.DictField(help_text="Attribute -> `taxonomy`, `estimator`, `rows` by label.")
    crossings = serializers.DictField()
    groups = serializers.ListField(child=serializers.DictField(), help_text="The parts that `by` tells apart.")
    methods = serializers.CharField(help_text="A paragraph, ready to paste.")


class CurrentReportSerializer(ReportSerializer):
    """The same, of a collection as it is now."""

    is_current = serializers.BooleanField(help_text="Nothing under it has changed since it was computed.")


class ComputingSerializer(serializers.Serializer[Any]):
    """Where a computation stands."""

    state = serializers.ChoiceField(choices=["computing"])
    progress = serializers.FloatField(min_value=0, max_value=1)
    is_attended = serializers.BooleanField(help_text="A worker runs; without one it waits.")


class KeptReportSerializer(serializers.ModelSerializer[KeptReport]):
    """A report that was kept: numbered in its collection, never changed."""

    collection = serializers.UUIDField(source="collection.uid")
    model = serializers.CharField(source="model_name")
    kept_by = serializers.SerializerMethodField(help_text="Empty where the account is gone.")
    address = serializers.SerializerMethodField(help_text="Its permanent page.")

    class Meta:
        model = KeptReport
        fields = ("uid", "collection", "number", "title", "model", "faces", "sha256", "kept_by", "kept_at", "address")
        read_only_fields = fields

    def get_kept_by(self, kept: KeptReport) -> str:
        return kept.kept_by.get_username() if kept.kept_by else ""

    def get_address(self, kept: KeptReport) -> str:
        page = reverse("collection-kept-report", args=[kept.collection.uid, kept.number])
        address: str = self.context["request"].build_absolute_uri(page)
        return address


class RemovedReportSerializer(serializers.ModelSerializer[RemovedReport]):
    """What is left of a kept report whose collection was deleted."""

    collection = serializers.UUIDField(source="collection_uid")

    class Meta:
        model = RemovedReport
        fields = ("uid", "collection", "number", "sha256", "kept_at", "removed_at")
        read_only_fields = fields


class WholeKeptReportSerializer(KeptReportSerializer):
    """The same with what was kept."""

    bibtex = serializers.SerializerMethodField()
    report = ReportSerializer(source="values")

    class Meta(KeptReportSerializer.Meta):
        fields = (*KeptReportSerializer.Meta.fields, "bibtex", "report")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    def get_bibtex(self, kept: KeptReport) -> str:
        return keeping.write_citation(kept, address=self.get_address(kept))

    def to_representation(self, kept: KeptReport) -> dict[str, Any]:
        # All that was kept, as its hash is of all of it.
        return {**super().to_representation(kept), "report": kept.values}


class FiltersSerializer(serializers.Serializer[Any]):
    """Those of the gallery, by their names in its address; each may be left out."""

    def get_fields(self) -> dict[str, Any]:
        return {name: self._field(name, of) for name, of in PhotoFilter.base_filters.items()}

    def _field(self, name: str, of: Any) -> serializers.Field[Any, Any, Any, Any]:
        choices = sorted(BY_SHORT[name].all_groups) if name in BY_SHORT else of.extra.get("choices")
        if choices:
            return serializers.ChoiceField(choices=choices, required=False)
        return serializers.RegexField(r"^[^\x00]+$", max_length=200, required=False)


class NewKeptReportSerializer(serializers.Serializer[Any]):
    """Which report to keep: that of a collection of yours, asked as its address is."""

    collection = serializers.UUIDField(help_text="Yours.")
    taxonomy = serializers.ChoiceField(choices=list(labels.TAXONOMIES), required=False)
    narrowest = serializers.IntegerField(min_value=1, max_value=WIDEST_PX, required=False)
    by = serializers.RegexField(
        r"^(month|folder|tag:[^\x00]+)$", max_length=200, required=False, help_text="month, folder, or tag:COLUMN."
    )
    other = serializers.UUIDField(required=False, help_text="A collection to hold it against.")
    reference = serializers.RegexField(
        r"^[^\x00]+$", max_length=REFERENCE_BYTES, required=False, help_text="Or shares: attribute, label, share."
    )
    reference_name = serializers.RegexField(
        r"^[^\x00]+$", max_length=NAME_LENGTH, required=False, help_text="What those shares are called."
    )
    filters = FiltersSerializer(required=False)
