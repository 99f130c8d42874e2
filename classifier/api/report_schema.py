"""What the OpenAPI document says of reports."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from classifier.api import report_serializers as serializers
from classifier.api.examples import COLLECTION_UID
from classifier.api.schema import errors, example
from classifier.filters import BY_SHORT, PhotoFilter
from classifier.models.faces import SMALL_FACE_PX
from classifier.report_forms import NAME_LENGTH, REFERENCE_BYTES, WIDEST_PX
from ml import labels

REPORT_UID = "c0a1f2d4-6d5e-4f6b-9c26-5a0d7d0f9b11"
ROW = {
    "label": "White", "raw": 0.52, "n": 431, "share": 0.69, "estimator": "adjusted", "unsure": 88,
    "low": 0.63, "high": 0.75, "bound": "both", "sensitivity_low": 0.6, "sensitivity_high": 0.78, "reviewed": 0,
}  # fmt: skip
REPORT: dict[str, Any] = {
    "format": 1,
    "source": "Front pages 2025",
    "created_at": "2026-11-23T09:00:00Z",
    "photos": 512,
    "faces": 831,
    "model": "facet-4",
    "basis": "adjusted",
    "assumption": "if the model errs here as on FairFace",
    "notes": ["Faces that were not found are not counted."],
    "cautions": [],
    "attributes": {"race": {"taxonomy": "fairface-7", "estimator": "adjusted", "rows": [ROW]}},
    "crossings": {},
    "groups": [],
    "methods": "The collection …",
}
COMPUTING = {"state": "computing", "progress": 0.4, "is_attended": True}
KEPT: dict[str, Any] = {
    "uid": REPORT_UID,
    "collection": COLLECTION_UID,
    "number": 1,
    "title": "Front pages 2025, by folder",
    "model": "facet-4",
    "faces": 831,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "kept_by": "alice",
    "kept_at": "2026-11-23T09:05:00Z",
    "address": f"https://facet.example.org/collections/{COLLECTION_UID}/reports/1/",
}


def _filters() -> list[OpenApiParameter]:
    found = []
    for name, of in PhotoFilter.base_filters.items():
        schema: dict[str, Any] = {"type": "string"}
        if name in BY_SHORT:
            schema["enum"] = sorted(BY_SHORT[name].all_groups)
        elif choices := of.extra.get("choices"):
            schema["enum"] = [value for value, _ in choices]
        found.append(OpenApiParameter(name, schema, description=f"As the gallery's filter: {of.label}."))
    return found


QUESTION = [
    OpenApiParameter(
        "taxonomy",
        {"type": "string", "enum": list(labels.TAXONOMIES)},
        description="The grouping to tell; left out: the collection's own.",
    ),
    OpenApiParameter(
        "narrowest",
        {"type": "integer", "minimum": 1, "maximum": WIDEST_PX, "default": SMALL_FACE_PX},
        description="Narrower faces, in pixels, are not counted.",
    ),
    OpenApiParameter("by", {"type": "string"}, description="Tell it apart by `month`, `folder` or `tag:COLUMN`."),
    OpenApiParameter("other", {"type": "string", "format": "uuid"}, description="Hold it against another collection."),
    OpenApiParameter(
        "reference",
        {"type": "string", "maxLength": REFERENCE_BYTES},
        description="Or against shares that are known: lines of attribute, label and share, each attribute with all of "
        "its labels, in the report's own groups and bands of age; they add up to 1, or to 100. 409 "
        "`reference_refused` tells the line that does not fit.",
    ),
    OpenApiParameter(
        "reference_name",
        {"type": "string", "maxLength": NAME_LENGTH, "default": "reference"},
        description="What those shares are called.",
    ),
    *_filters(),
]

report_detail = extend_schema(
    operation_id="get_report",
    summary="Who is pictured in a collection",
    description="Shares of perceived groups, gender and age with intervals, and what they rest on. Large collections "
    "are computed by a worker: 202 until that is done, so ask again. 409 `nothing_counted` where there is no face to "
    "tell of, with the reason.",
    parameters=QUESTION,
    responses={
        200: serializers.CurrentReportSerializer,
        202: OpenApiResponse(serializers.ComputingSerializer, "It is being computed: ask again."),
        **errors(400, 404, 409),
    },
    examples=[
        example("a report", {**REPORT, "is_current": True}),
        example("not computed yet", COMPUTING, status=202),
    ],
)
report_again = extend_schema(
    operation_id="compute_report_again",
    summary="Try a failed report again",
    description="After 503 `report_failed`. Needs the scope `upload`.",
    parameters=QUESTION,
    request=None,
    responses={
        200: serializers.CurrentReportSerializer,
        202: OpenApiResponse(serializers.ComputingSerializer, "It is being computed: ask for it."),
        **errors(400, 403, 404, 409, 411, 413, 415),
    },
    examples=[example("under way", COMPUTING, status=202)],
)
faces = extend_schema(
    operation_id="get_faces_csv",
    summary="Every face of a collection as CSV",
    description="File, folder, box, probabilities and doubt, streamed. Cells that a spreadsheet would calculate are "
    "defused by an apostrophe.",
    parameters=QUESTION,
    responses={(200, "text/csv"): str, **errors(400, 404, 409)},
)
kept_list = extend_schema(
    operation_id="list_kept_reports",
    summary="List kept reports, newest first",
    description="Of collections that you may read.",
    parameters=[OpenApiParameter("collection", {"type": "string", "format": "uuid"}, description="Only those of it.")],
    responses={200: serializers.KeptReportSerializer(many=True), **errors(400, 404)},
    examples=[example("a kept report", KEPT)],
)
kept_create = extend_schema(
    operation_id="keep_report",
    summary="Keep a report",
    description="As it is now, for good. The same one is kept once: 200. Needs the scope `upload`.",
    request=serializers.NewKeptReportSerializer,
    responses={
        200: OpenApiResponse(serializers.KeptReportSerializer, "It was kept before."),
        201: serializers.KeptReportSerializer,
        202: OpenApiResponse(serializers.ComputingSerializer, "It is being computed: send this again."),
        **errors(400, 403, 404, 409, 411, 413, 415),
    },
    examples=[
        OpenApiExample("by folder", {"collection": COLLECTION_UID, "by": "folder"}, request_only=True),
        example("kept", KEPT, status=201),
    ],
)
kept_detail = extend_schema(
    operation_id="get_kept_report",
    summary="Read one kept report",
    description="410 `report_removed` to the owner of a collection that was deleted: `details` hold what is "
    "left of its report.",
    responses={200: serializers.WholeKeptReportSerializer, **errors(400, 404, 410)},
    examples=[example("a kept report", {**KEPT, "bibtex": "@misc{…}", "report": REPORT})],
)
