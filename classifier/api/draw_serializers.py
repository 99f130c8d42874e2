"""The JSON of draws, of what is asked in them, and of what was said."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from classifier.api.serializers import WORDS, BoxFractionSerializer, BoxSerializer, PixelsField
from classifier.models import CANNOT_TELL, Draw, Face, Photo, Review
from classifier.models.faces import SMALL_FACE_PX
from classifier.services.reviews import drawing
from classifier.services.reviews.answering import LONGEST_COMMENT, LONGEST_LOOK_SECONDS
from ml.attributes import ATTRIBUTES

NAMES = list(ATTRIBUTES)
LABELS = sorted({label for attribute in ATTRIBUTES.values() for label in attribute.labels})


class StratumSerializer(serializers.Serializer[Any]):
    label = serializers.CharField(help_text="What the model guessed of these faces.")  # type: ignore[assignment]
    part = serializers.IntegerField(help_text="1; higher: photos that came later.")
    faces = serializers.IntegerField(help_text="As counted when they were drawn from.")


class DrawSerializer(serializers.ModelSerializer[Draw]):
    """A probability sample of a collection's faces, or photos."""

    collection = serializers.UUIDField(source="collection.uid")
    filter = serializers.DictField()
    attributes = serializers.ListField(child=serializers.ChoiceField(choices=NAMES), source="questions")
    strata = StratumSerializer(many=True, source="describe_strata")
    frame = serializers.IntegerField(help_text="Faces, or photos, that it was drawn from, as counted then.")
    codebook = serializers.CharField(source="codebook.text")
    codebook_version = serializers.IntegerField(source="codebook.version")
    declared_by = serializers.CharField(help_text="Who said of labels from elsewhere that their faces were drawn.")

    class Meta:
        model = Draw
        fields = (
            *("uid", "collection", "kind", "filter", "narrowest_px", "strata_attribute", "strata", "attributes"),
            *("allocation", "seed", "size", "frame", "codebook", "codebook_version", "declared_by"),
            *("created_at", "ended"),
        )
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": WORDS},
        "description": "Filters: received_from, received_to (days), and the gallery's by their names (group, "
        "gender, age, sure, size, folder, taken_from, taken_to, tags). "
        "They make the draw tell of such faces alone.",
    }
)
class ChosenField(serializers.DictField):
    """Filters by name, told so that a client knows what no value may hold."""


@extend_schema_field(
    {"type": "string", "maxLength": 10_000, "pattern": WORDS, "description": "Left out: the latest, or Facet's own."}
)
class CodebookField(serializers.CharField):
    """What reviewers read before they answer, likewise."""


class NewDrawSerializer(serializers.Serializer[Any]):
    """What a draw begins with."""

    collection = serializers.UUIDField(help_text="Yours.")
    kind = serializers.ChoiceField(choices=Draw.Kind.choices, default=Draw.Kind.FACES)
    attribute = serializers.ChoiceField(
        choices=NAMES, default=NAMES[0], help_text="Whose guesses make the strata; of faces alone."
    )
    attributes = serializers.ListField(
        child=serializers.ChoiceField(choices=NAMES),
        required=False,
        help_text="What is asked; left out: all that is on.",
    )
    size = serializers.IntegerField(min_value=1, max_value=drawing.MOST_DRAWN)
    chosen = ChosenField(child=serializers.CharField(), required=False)
    narrowest_px = serializers.FloatField(min_value=0, max_value=100_000, default=SMALL_FACE_PX)
    codebook = CodebookField(max_length=10_000, required=False)


class MoreSerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField(min_value=1, max_value=drawing.MOST_DRAWN)
    later = serializers.BooleanField(default=False, help_text="From photos that came after the draw, not from its own.")


class AskedFaceSerializer(serializers.ModelSerializer[Face]):
    """A face to look at; what the model guessed is not told."""

    photo = serializers.UUIDField(source="photo.uid")
    box = BoxSerializer(source="*", help_text="Pixels of the upright photo.")
    box_fraction = BoxFractionSerializer(help_text="Fractions of the photo's width and height.")
    size_px = PixelsField()

    class Meta:
        model = Face
        fields = ("uid", "photo", "number", "box", "box_fraction", "size_px")
        read_only_fields = fields


class AskedPhotoSerializer(serializers.Serializer[Photo]):
    uid = serializers.UUIDField()
    boxes = serializers.SerializerMethodField(help_text="The faces that were found, as fractions.")

    def get_boxes(self, photo: Any) -> list[dict[str, float]]:
        return [face.box_fraction() for face in photo.counted_faces]


class NextSerializer(serializers.Serializer[Any]):
    """Your way through a draw, and what comes next in it."""

    size = serializers.IntegerField()
    answered = serializers.IntegerField()
    questions = serializers.ListField(child=serializers.CharField())
    faces = AskedFaceSerializer(many=True)
    photos = AskedPhotoSerializer(many=True)


class AnswerSerializer(serializers.Serializer[Any]):
    """What you say of a face, or of a photo in a draw of photos."""

    of = serializers.UUIDField(help_text="The face, or photo.")
    verdict = serializers.ChoiceField(
        choices=[choice for choice in Review.Verdict.choices if choice[0] != Review.Verdict.WITHDRAWN],
        default=Review.Verdict.FACE,
    )
    answers = serializers.DictField(
        child=serializers.CharField(max_length=40),
        default=dict,
        help_text=f"Attribute -> a label of its finest grouping, or {CANNOT_TELL}; all that is asked.",
    )
    marks = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(min_value=0, max_value=1), min_length=2, max_length=2),
        default=list,
        max_length=500,
        help_text="Of a photo: where faces are that no box marks, as fractions [x, y].",
    )
    comment = serializers.CharField(max_length=LONGEST_COMMENT, default="", allow_blank=True)
    seconds = serializers.FloatField(min_value=0, max_value=LONGEST_LOOK_SECONDS, default=None, allow_null=True)
    client_key = serializers.RegexField(
        r"^[A-Za-z0-9_.:-]{0,40}$",
        default="",
        help_text="Your name for this answer: sent again with it, it is kept once.",
    )
    replaces = serializers.UUIDField(default=None, allow_null=True, help_text="The answer of yours that this corrects.")


class KeptSerializer(serializers.Serializer[Any]):
    uid = serializers.UUIDField(help_text="Of the answer that stands.")
    dropped = serializers.ListField(child=serializers.CharField(), help_text="Attributes that are off by now.")


class ReachSerializer(serializers.Serializer[Any]):
    more = serializers.IntegerField()
    half_width = serializers.FloatField()


class ShareSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    bound = serializers.ChoiceField(choices=["both", "upper", "lower", "neither"])


class ToldAttributeSerializer(serializers.Serializer[Any]):
    answered = serializers.IntegerField(help_text="Answers in their turn.")
    waiting = serializers.IntegerField(help_text="Answers out of turn, which do not count yet.")
    half_width = serializers.FloatField(allow_null=True, help_text="Of the widest interval, 0 to 1.")
    later = ReachSerializer(many=True)
    shares = ShareSerializer(many=True)


class AgreementSerializer(serializers.Serializer[Any]):
    attribute = serializers.CharField()
    faces = serializers.IntegerField()
    reviewers = serializers.IntegerField()
    raw = serializers.FloatField()
    kappa = serializers.FloatField(allow_null=True)
    ac1 = serializers.FloatField(allow_null=True)
    alpha = serializers.FloatField(allow_null=True)


class MissedSerializer(serializers.Serializer[Any]):
    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    photos = serializers.IntegerField()
    found = serializers.IntegerField()
    missed = serializers.IntegerField()


class ResultsSerializer(serializers.Serializer[Any]):
    """Of a draw of faces all but `missed`; of one of photos only that."""

    answered = serializers.IntegerField(required=False)
    reviewers = serializers.IntegerField(required=False)
    attributes = serializers.DictField(child=ToldAttributeSerializer(), required=False)
    agreement = AgreementSerializer(many=True, required=False)
    missed = MissedSerializer(required=False, allow_null=True)


class SizeSerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField()
    half_width = serializers.FloatField(help_text="Of the widest interval, 0 to 1.")
    is_all = serializers.BooleanField(help_text="These are all faces.")


class SizesSerializer(serializers.Serializer[Any]):
    """Draws worth their time, if the model's probabilities hold for this collection."""

    attribute = serializers.CharField()
    faces = serializers.IntegerField(help_text="That a draw would be made from.")
    sizes = SizeSerializer(many=True)


class LabelsSerializer(serializers.Serializer[Any]):
    """Labels of a collection's faces."""

    csv = serializers.CharField(
        trim_whitespace=False,
        help_text="Columns `file` (and `face` or `x1`, `y1`, `x2`, `y2`) or `face_uid`; `reviewed_` and an attribute; "
        "`reviewer`, `drawn`.",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=[choice for choice in Review.Source.choices if choice[0] != Review.Source.PERSON]
    )
    is_random_draw = serializers.BooleanField(
        default=False,
        help_text="You say that these faces, or those with `yes` in `drawn`, were drawn at random among all.",
    )
    leaves_out_unknown = serializers.BooleanField(
        default=False, help_text="Lines about faces that are not here are left out; otherwise they keep the file out."
    )


class MatchedSerializer(serializers.Serializer[Any]):
    """What a file brought."""

    rows = serializers.IntegerField()
    faces = serializers.IntegerField()
    new = serializers.IntegerField()
    replaced = serializers.IntegerField()
    left_out = serializers.IntegerField(help_text="Lines about faces that are not here.")
    lines = serializers.ListField(child=serializers.CharField(), help_text="The first of those that were left out.")
    draw = serializers.UUIDField(source="draw.uid", allow_null=True, default=None, help_text="Of the declared draw.")
