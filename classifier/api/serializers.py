"""The API's JSON. The order of fields is the order in which answers are read."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from classifier.api import errors
from classifier.models import Collection, Face, ModelVersion, Photo, TagColumn, Upload, UploadItem
from classifier.models.collections import all_attributes
from classifier.services import collections, predictions
from ml.attributes import ATTRIBUTES, Attribute


class RoundedField(serializers.FloatField):
    """A number to so many digits: further ones would be noise."""

    def __init__(self, *, digits: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.digits = digits

    def to_representation(self, value: float) -> float:  # type: ignore[override]
        return round(float(value), self.digits)


class PixelsField(serializers.IntegerField):
    def to_representation(self, value: float) -> int:
        return round(value)


class BoxSerializer(serializers.Serializer[Any]):
    x1 = RoundedField(digits=1)
    y1 = RoundedField(digits=1)
    x2 = RoundedField(digits=1)
    y2 = RoundedField(digits=1)


class BoxFractionSerializer(serializers.Serializer[Any]):
    x1 = RoundedField(digits=4, min_value=0, max_value=1)
    y1 = RoundedField(digits=4, min_value=0, max_value=1)
    x2 = RoundedField(digits=4, min_value=0, max_value=1)
    y2 = RoundedField(digits=4, min_value=0, max_value=1)


class GuessSerializer(serializers.Serializer[Any]):
    """What the model says of one attribute: its best guess, and the distribution that was taken from."""

    label = serializers.CharField()  # type: ignore[assignment]
    probability = serializers.FloatField(min_value=0, max_value=1, help_text="Calibrated.")
    unsure = serializers.BooleanField(
        help_text="The probability is under the model version's threshold of this label, or the label is never sure."
    )
    probabilities = serializers.DictField(child=serializers.FloatField(), help_text="By label; they add up to 1.")
    set = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The labels of which one is right as often as `set_coverage` says, whichever it is; "
        "null of a model version that tells none.",
    )
    set_coverage = serializers.FloatField(min_value=0, max_value=1, allow_null=True)


def _guess_of(attribute: Attribute) -> type[GuessSerializer]:
    """The guess of an attribute: with the grouping where it has several, with its number where it is ordinal."""
    more: dict[str, Any] = {}
    if attribute.taxonomies:
        more["taxonomy"] = serializers.ChoiceField(
            choices=list(attribute.taxonomies), help_text="The grouping of these labels."
        )
    if attribute.scale:
        unit = attribute.scale.unit
        more[unit] = serializers.FloatField(help_text=f"Expected {attribute.name}.")
        more["low"] = serializers.IntegerField(help_text=f"In {unit}; 80 % of the faces lie between low and high.")
        more["high"] = serializers.IntegerField(help_text=f"In {unit}.")
    return type(f"{attribute.name.capitalize()}GuessSerializer", (GuessSerializer,), more) if more else GuessSerializer


GUESSES = {name: _guess_of(attribute) for name, attribute in ATTRIBUTES.items()}


class PredictionsSerializer(serializers.Serializer[Face]):
    """How the model perceives a face; an attribute that is switched off in its collection is absent."""

    def get_fields(self) -> dict[str, Any]:
        return {name: guess(required=False) for name, guess in GUESSES.items()}

    def to_representation(self, face: Face) -> dict[str, Any]:
        prediction = face.prediction
        if prediction is None:
            return {}
        return predictions.describe_prediction(prediction, taxonomy=self.context["taxonomy"])


class FaceSerializer(serializers.ModelSerializer[Face]):
    """A detected face. The context's `taxonomy` is the grouping to tell race in."""

    number = serializers.IntegerField(help_text="From 1, largest face first; never used twice in a photo.")
    box = BoxSerializer(source="*", help_text="Pixels of the upright photo.")
    box_fraction = BoxFractionSerializer(help_text="Fractions of the photo's width and height.")
    detection = RoundedField(digits=4, help_text="The detector's probability that this is a face.")
    size_px = PixelsField(help_text="Width of the box; under 40 px guesses are poor.")
    cut_off = serializers.BooleanField(
        help_text="So much of it lies outside the photo, or under a bar, that everything said of it is unsure."
    )
    predictions = PredictionsSerializer(source="*")

    class Meta:
        model = Face
        fields = ["uid", "number", "box", "box_fraction", "detection", "size_px", "cut_off", "predictions"]
        read_only_fields = fields


class ListedFaceSerializer(FaceSerializer):
    """A face away from its photo."""

    photo = serializers.UUIDField(source="photo.uid")
    collection = serializers.UUIDField(source="photo.collection.uid")

    class Meta(FaceSerializer.Meta):
        fields = ["photo", "collection", *FaceSerializer.Meta.fields]
        read_only_fields = fields


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    """A photo with the faces of its latest detection; made of rows fetched by `with_faces`."""

    code = serializers.CharField(help_text="Empty, `no_face` when done, or why it failed.")
    model = serializers.CharField(
        source="model_version.name", default="", read_only=True, help_text="Empty until done."
    )
    device = serializers.CharField(help_text="What the model ran on, `cpu` say; empty until it is done.")
    timings_ms = serializers.DictField(child=serializers.FloatField(), help_text="Milliseconds for each stage.")
    faces = FaceSerializer(many=True, source="counted_faces")
    folder = serializers.CharField(help_text="Where it lay as it was sent, `1999/May` say; empty for one by itself.")
    captured_on = serializers.DateField(
        allow_null=True, help_text="The day by its camera's clock, where the collection keeps it; else null."
    )
    tags = serializers.SerializerMethodField(help_text="Its values in the tables that were sent: column -> value.")

    @extend_schema_field(serializers.DictField(child=serializers.CharField()))
    def get_tags(self, photo: Photo) -> dict[str, str]:
        return {tag.column.name: tag.value for tag in photo.tags.all()}

    class Meta:
        model = Photo
        fields = [
            *("uid", "name", "folder", "captured_on", "tags"),
            *("state", "code", "width", "height", "narrowest_face_px", "no_face_because"),
            *("turned", "received_at", "finished_at"),
            *("model", "device", "timings_ms", "faces"),
        ]
        read_only_fields = fields


class UploadItemSerializer(serializers.ModelSerializer[UploadItem]):
    """What became of one file of a submission."""

    message = serializers.CharField(help_text="Why the file was refused, for people; or a remark, or empty.")
    photo = PhotoSerializer(allow_null=True, help_text="For a duplicate the photo that was there already.")

    class Meta:
        model = UploadItem
        fields = ["name", "outcome", "message", "photo"]
        read_only_fields = fields


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """A submission: one item a file, in the order sent."""

    collection = serializers.UUIDField(source="collection.uid")
    items = UploadItemSerializer(many=True)

    class Meta:
        model = Upload
        fields = ["uid", "collection", "items"]
        read_only_fields = fields


class PhotoCountsSerializer(serializers.Serializer[Collection]):
    """Photos by state; the context's `counts` has those of each collection by its primary key."""

    total = serializers.IntegerField(source="photos")
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()

    def to_representation(self, collection: Collection) -> dict[str, Any]:
        return super().to_representation(self.context["counts"][collection.pk])


class NextDeletionSerializer(serializers.Serializer[Any]):
    on = serializers.DateField(help_text="The day, in UTC.")
    photos = serializers.IntegerField(help_text="How many photos are deleted on that day.")


class CollectionSerializer(serializers.ModelSerializer[Collection]):
    """A collection, with the `counts` and `deletions` of its context."""

    owner = serializers.CharField(source="owner.username")
    attributes = serializers.ListField(child=serializers.ChoiceField(choices=list(ATTRIBUTES)))
    terms_accepted = serializers.BooleanField(help_text="Photos may be added: its declaration was made.")
    next_deletion = serializers.SerializerMethodField(
        help_text="What `retention_days` deletes next; null where photos are kept until somebody deletes them."
    )
    photos = PhotoCountsSerializer(source="*")

    class Meta:
        model = Collection
        fields = [
            *("uid", "name", "purpose", "owner", "is_inbox", "attributes", "taxonomy", "detail"),
            *(
                "retention_days",
                "next_deletion",
                "is_aggregate_only",
                "keeps_capture_dates",
                "is_opened_to_reviewers",
                "terms_accepted",
                "created_at",
            ),
            "photos",
        ]
        read_only_fields = fields

    @extend_schema_field(NextDeletionSerializer(allow_null=True))
    def get_next_deletion(self, collection: Collection) -> dict[str, Any] | None:
        found = self.context["deletions"].get(collection.pk)
        return NextDeletionSerializer(found).data if found else None


# Not blank, and without the characters that no text has.
WORDS = r"^[^\x00]*[^\s\x00][^\x00]*$"


@extend_schema_field({"type": "string", "maxLength": 120, "pattern": WORDS})
class CollectionNameField(serializers.CharField):
    """A collection's name, told so that a client knows what is blank."""


@extend_schema_field(
    {"type": "string", "maxLength": 1000, "pattern": WORDS, "description": "Why these photos are looked at."}
)
class PurposeField(serializers.CharField):
    """What a collection is for, likewise."""


class NewCollectionSerializer(serializers.ModelSerializer[Collection]):
    """The body of a POST of a collection."""

    name = CollectionNameField(max_length=120)
    purpose = PurposeField(max_length=1000)
    attributes = serializers.ListField(
        child=serializers.ChoiceField(choices=list(ATTRIBUTES)),
        min_length=1,
        required=False,
        help_text="What to compute and store; all by default.",
    )
    accept_declaration = serializers.BooleanField(
        default=False, help_text="Must be true: you make the declaration that this page shows for the collection."
    )

    class Meta:
        model = Collection
        fields = [
            *("name", "purpose", "accept_declaration", "attributes", "taxonomy", "detail"),
            *("retention_days", "is_aggregate_only", "keeps_capture_dates", "is_opened_to_reviewers"),
        ]

    def validate_attributes(self, names: list[str]) -> list[str]:
        if off := set(names) - set(all_attributes()):
            raise serializers.ValidationError(f"{', '.join(sorted(off))}: switched off for this whole site.")
        return names

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("is_aggregate_only") and values.get("keeps_capture_dates"):
            raise errors.KeepsNoDays(collections.NO_DAYS)
        return values


class TagColumnSerializer(serializers.ModelSerializer[TagColumn]):
    """A column of a table of tags; made of rows fetched by `with_counts`."""

    photos = serializers.IntegerField(source="photo_count", help_text="How many have a value in it.")
    values = serializers.ListField(child=serializers.CharField(), help_text="Those of most photos, at most 200.")

    class Meta:
        model = TagColumn
        fields = ["uid", "name", "photos", "values", "updated_at"]
        read_only_fields = fields


class TagColumnsSerializer(serializers.Serializer[Any]):
    results = TagColumnSerializer(many=True)


class LineSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(source="number")
    file = serializers.CharField()
    message = serializers.CharField(source="words")


class LinesSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    first = LineSerializer(many=True, help_text="At most 50.")


class ToldSerializer(serializers.Serializer[Any]):
    """What became of a table of tags."""

    photos = serializers.IntegerField(help_text="How many photos it gave a value.")
    rows = serializers.IntegerField(help_text="How many lines it has.")
    columns = serializers.DictField(child=serializers.IntegerField(), help_text="Column -> photos with a value of it.")
    encoding = serializers.CharField(help_text="Empty, or what it was read as, not being UTF-8.")
    unknown = LinesSerializer(help_text="Lines that name no photo of the collection.")
    several = LinesSerializer(help_text="Lines whose name stands in several folders; nothing was taken from them.")
    conflicts = LinesSerializer(help_text="Lines with a second value for a photo, which keeps what it had.")
    torn = LinesSerializer(help_text="Lines with too few or too many cells.")


class MemberSerializer(serializers.Serializer[Any]):
    """One of the networks that a joined model asks."""

    name = serializers.CharField()
    arch = serializers.CharField(help_text="Its kind of network.")
    sha256 = serializers.CharField(help_text="Of the checkpoint that it was.")
    weight = serializers.FloatField(help_text="Its share in the mean of log-probabilities.")
    views = serializers.CharField(help_text="How it sees a face: straight, mirrored, or both, which costs two passes.")
    size = serializers.IntegerField(source="preset.size", help_text="Side of its chips in pixels.")


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    licence = serializers.CharField()
    members = MemberSerializer(
        source="card.members",
        default=list,
        many=True,
        read_only=True,
        help_text="The networks of a joined model; empty for one.",
    )
    metrics = serializers.DictField(help_text="As measured when it was published.")
    thresholds = serializers.DictField(
        source="card.thresholds",
        default=dict,
        read_only=True,
        help_text="Attribute, taxonomy, probability under which it is unsure, or such by label (null: never sure).",
    )

    class Meta:
        model = ModelVersion
        fields = ["uid", "name", "sha256", "status", "licence", "members", "metrics", "thresholds", "created_at"]
        read_only_fields = fields
