"""What the OpenAPI document says of each address, and the page that shows it."""

from functools import cache
from typing import Any

from django.urls import reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_field
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers as fields
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api import examples, parameters, serializers
from classifier.intake import formats


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "classifier.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The word `Token`, a space, and the token: `Token facet_…`.",
        }


class ErrorBodySerializer(fields.Serializer[Any]):
    code = fields.CharField(help_text="For programs; it does not change.")
    message = fields.CharField(help_text="For people.")
    details = fields.DictField(help_text="Where fields are wrong, each with its messages; else what the code needs.")


class ErrorSerializer(fields.Serializer[Any]):
    """Every error has this shape."""

    error = ErrorBodySerializer()
    request_id = fields.CharField(help_text="Also in the header X-Request-ID and in Facet's log.")


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The answers an address gives when it cannot do what was asked; those that all give are added."""
    return {
        status: OpenApiResponse(ErrorSerializer, examples.ERRORS[status][0], examples=[_error_example(status)])
        for status in sorted({*statuses, 401, 429, 503, 507})
    }


def _error_example(status: int) -> OpenApiExample:
    _, code, message, details = examples.ERRORS[status]
    body = {"error": {"code": code, "message": message, "details": details}, "request_id": examples.REQUEST_ID}
    return OpenApiExample(code, body, response_only=True, status_codes=[status])


def example(name: str, value: Any, *, status: int = 200) -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, status_codes=[status])


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "format": "binary"},
        "description": f"One file or more, each in a field `images`: {formats.FORMATS}.",
    }
)
class FilesField(fields.ListField):
    """By hand: a list of file fields would be told as a list of addresses."""


@extend_schema_field(
    {
        "type": "string",
        "pattern": parameters.UID_OR_NOTHING.pattern,
        # The empty example keeps the page's form from filling in a uid of its own making.
        "example": "",
        "description": "Its uid; empty or left out: your Inbox.",
    }
)
class UidOrNothingField(fields.CharField):
    """The uid of something, or nothing."""


@extend_schema_field(
    {
        # The page's form fills in what it takes for an example.
        "type": "string",
        "example": "",
        "description": "Where the files lay, a relative path: once for all of them, or once for each in their order.",
    }
)
class FolderField(fields.CharField):
    """Told as one: that there are as many as files, where there are several, is beyond a schema."""


class SubmissionSerializer(fields.Serializer[Any]):
    """Photos on their way in; the view reads the form itself, since each file has an outcome of its own."""

    images = FilesField()
    collection = UidOrNothingField(required=False)
    folder = FolderField(required=False)


class TableSerializer(fields.Serializer[Any]):
    """A table of tags on its way in."""

    table = fields.FileField(help_text="CSV, separated by commas, semicolons or tabs; 8 MiB at most.")


photo_list = extend_schema(
    operation_id="list_photos",
    summary="List photos, newest first",
    description="Your photos and those of collections shared with you, each with its faces.",
    parameters=[parameters.TAXONOMY],
    responses={200: serializers.PhotoSerializer(many=True), **errors(400, 404)},
    examples=[example("a photo with one face", examples.PHOTO)],
)
photo_create = extend_schema(
    operation_id="send_photos",
    summary="Send photos",
    description="Each file gets an item of its own in the answer, in the order sent: `accepted`, `duplicate`, or why "
    "it was refused. 202 while any of the photos is pending, 200 when all are finished (`wait`) and also when every "
    "file was refused. Needs the scope `upload`.",
    parameters=[parameters.WAIT, parameters.TAXONOMY],
    request={"multipart/form-data": SubmissionSerializer},
    responses={
        200: OpenApiResponse(serializers.UploadSerializer, "Nothing of this submission is pending any more."),
        202: OpenApiResponse(serializers.UploadSerializer, "Some photos are pending: ask for them again."),
        **errors(400, 403, 404, 409, 411, 413, 415),
    },
    examples=[
        example("one accepted, one refused", examples.UPLOAD),
        example("not finished yet", examples.PENDING_UPLOAD, status=202),
    ],
)
photo_detail = extend_schema(
    operation_id="get_photo",
    summary="Read one photo",
    description="With `wait`, only answered when it is finished or the time is over; `state` tells.",
    parameters=[parameters.WAIT, parameters.TAXONOMY],
    responses={200: serializers.PhotoSerializer, **errors(400, 404)},
    examples=[example("a photo with one face", examples.PHOTO)],
)
photo_delete = extend_schema(
    operation_id="delete_photo",
    summary="Delete one photo",
    description="With its files, faces and predictions, at once and for good. Needs the scope `upload`.",
    responses={204: None, **errors(400, 403, 404)},
)
face_list = extend_schema(
    operation_id="list_faces",
    summary="List faces, newest first",
    description="Faces of the latest detection of each photo, with what the production model said of them.",
    parameters=[parameters.TAXONOMY],
    responses={200: serializers.ListedFaceSerializer(many=True), **errors(400, 404)},
    examples=[example("a face", examples.LISTED_FACE)],
)
collection_list = extend_schema(
    operation_id="list_collections",
    summary="List collections, newest first",
    description="Your own, those shared with you and, for reviewers, those opened to them; with counts by state, "
    "which may be some seconds old where there are many photos.",
    responses={200: serializers.CollectionSerializer(many=True), **errors(400, 404)},
    examples=[example("a collection", examples.COLLECTION)],
)
collection_create = extend_schema(
    operation_id="create_collection",
    summary="Make a collection",
    description="With a stated purpose and the declaration accepted: who, when and which text are recorded. Without "
    "it, 409 tells the text. Needs the scope `upload`.",
    request=serializers.NewCollectionSerializer,
    responses={201: serializers.CollectionSerializer, **errors(400, 403, 409, 411, 413, 415)},
    examples=[
        OpenApiExample("a new collection", examples.NEW_COLLECTION, request_only=True),
        example("the collection", examples.COLLECTION, status=201),
    ],
)
collection_detail = extend_schema(
    operation_id="get_collection",
    summary="Read one collection",
    description="With counts by state, which may be some seconds old where there are many photos.",
    responses={200: serializers.CollectionSerializer, **errors(400, 404)},
    examples=[example("a collection", examples.COLLECTION)],
)
collection_delete = extend_schema(
    operation_id="delete_collection",
    summary="Delete one collection",
    description="With its photos, faces and predictions, at once and for good. Needs the scope `upload`.",
    responses={204: None, **errors(400, 403, 404)},
)
tag_list = extend_schema(
    operation_id="list_tags",
    summary="List a collection's columns of tags",
    description="What was sent in tables: each photo tells its own values.",
    responses={200: serializers.TagColumnsSerializer, **errors(400, 404)},
    examples=[example("one column", examples.TAG_COLUMNS)],
)
tag_create = extend_schema(
    operation_id="send_tags",
    summary="Send a table of tags",
    description="A CSV whose first line names its columns: file names in the first (`img1.jpg`, or `May/img1.jpg` "
    "where a name is there more than once), your tags in the others. Photos it does not name keep what they have. "
    "The answer tells the lines that did not fit. Needs the scope `upload`.",
    request={"multipart/form-data": TableSerializer},
    responses={200: serializers.ToldSerializer, **errors(400, 403, 404, 411, 413, 415)},
    examples=[example("one line fitted, one did not", examples.TOLD)],
)
tag_delete = extend_schema(
    operation_id="delete_tags",
    summary="Remove one column of tags",
    description="From all photos of its collection, at once. Needs the scope `upload`.",
    responses={204: None, **errors(400, 403, 404)},
)
model_list = extend_schema(
    operation_id="list_models",
    summary="List model versions, newest first",
    description="Weights, calibration, metrics and licence under one hash; one version is production.",
    responses={200: serializers.ModelVersionSerializer(many=True), **errors(400, 404)},
    examples=[example("the model in production", examples.MODEL)],
)


class JsonErrors:
    """For views that answer in YAML or HTML: their errors are JSON like all others."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if getattr(response, "exception", False):
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        final: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        return final


@cache
def build_document() -> dict[str, Any]:
    """The OpenAPI document, which is the same for everybody and takes half a second to make."""
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return document


class SchemaView(JsonErrors, SpectacularAPIView):
    """The OpenAPI document, open to everybody: YAML, or JSON with `?format=json`."""

    throttle_classes = ()

    def _get_schema_response(self, request: Request) -> Response:
        filename = f"facet.{request.accepted_renderer.format}"
        return Response(build_document(), headers={"Content-Disposition": f'inline; filename="{filename}"'})


class DocsView(JsonErrors, SpectacularSwaggerSplitView):
    """The same as a page, from files of this site alone: script and page apart, so that the site's CSP holds."""

    url_name = "api-schema"
    template_name = "api/docs.html"
    throttle_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)
        response.data["photos_address"] = request.build_absolute_uri(reverse("api-photo-list"))
        return response
