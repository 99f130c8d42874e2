"""The API's addresses: they read the request, call one service, and tell rows."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import Resolver404, resolve, reverse
from rest_framework import exceptions, generics, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api import errors, filters, parameters, parsers, schema, serializers, waiting
from classifier.models import Collection, Face, ModelVersion, Photo, TagColumn, Upload, UploadItem, User
from classifier.services import collections, deletion, refusals, retention, seats, summaries, tags, uploads
from classifier.terms import DECLARATION, TERMS_VERSION
from ml import labels


class ApiView(generics.GenericAPIView[Any]):
    """Every address."""

    parser_classes = [parsers.JsonParser]
    taxonomy = labels.FINEST

    @property
    def user(self) -> User:
        return cast(User, self.request.user)  # nobody else gets past the permission

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.headers.get("Transfer-Encoding") and not request.headers.get("Content-Length"):
            raise errors.LengthMissing  # Facet's own web server takes such a body in first, and tells its length
        super().initial(request, *args, **kwargs)
        self.taxonomy = parameters.read_taxonomy(request)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "taxonomy": self.taxonomy}


class PhotoList(ApiView, generics.ListAPIView[Photo]):
    parser_classes = [MultiPartParser]
    serializer_class = serializers.PhotoSerializer
    filterset_class = filters.PhotoFilter
    newest_by = "received_at"

    def get_queryset(self) -> QuerySet[Photo]:
        return Photo.objects.visible_to(self.user).select_related("model_version").with_faces().with_tags()

    @schema.photo_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @schema.photo_create
    def post(self, request: Request) -> Response:
        """202 while any photo of the submission is pending, 200 when all are finished or every file was refused."""
        seconds = parameters.read_wait(request)
        with seats.take_seat(self.user):
            upload = self._take_in(request)
            uploads.record_submission(upload)
        photo_ids = [pk for pk in upload.items.values_list("photo_id", flat=True) if pk is not None]
        finished = waiting.wait_until_finished(photo_ids, seconds=seconds)
        body = self._describe_upload(upload)
        return Response(body, status=status.HTTP_200_OK if finished else status.HTTP_202_ACCEPTED)

    def _take_in(self, request: Request) -> Upload:
        files, misplaced = self._read_files(request)
        collection = self._find_collection(request)
        try:
            return uploads.submit_photos(
                self.user,
                collection=collection,
                files=files,
                misplaced=misplaced,
                folders=request.POST.getlist(uploads.FOLDER_FIELD),
            )
        except refusals.TermsNotAccepted:
            raise self._terms_not_accepted(collection) from None

    def _read_files(self, request: Request) -> tuple[list[Any], list[tuple[str, Any]]]:
        request.data  # noqa: B018 - reads the body, or raises what is wrong with it
        files, misplaced = uploads.sort_files(request.FILES)
        if not files:
            raise errors.NoFiles(details={"fields": sorted(request.data)})
        return files, misplaced

    def _find_collection(self, request: Request) -> Collection:
        text = request.POST.get("collection", "")
        if not parameters.UID_OR_NOTHING.fullmatch(text):
            raise exceptions.ValidationError({"collection": ["The uid of a collection, or nothing for your Inbox."]})
        if not text:
            return collections.get_inbox(self.user)
        uid = UUID(text)
        found = Collection.objects.owned_by(self.user).filter(uid=uid).first()
        if found is None:
            raise exceptions.NotFound(f"There is no collection {uid} of yours.")
        return found

    def _terms_not_accepted(self, collection: Collection) -> errors.TermsNotAccepted:
        if collection.is_inbox:
            address = self.request.build_absolute_uri(reverse("account-detail"))
            message = (
                "The terms of use, which cover the Inbox, are not accepted for this account. "
                f"Accept them at {address}, or send photos to a collection whose declaration you make."
            )
        else:
            address = self.request.build_absolute_uri(reverse("collection-detail", args=[collection.uid]))
            message = f"The declaration of this collection was not made yet, or in earlier words: {address}"
        return errors.TermsNotAccepted(message, details={"accept_at": address})

    def _describe_upload(self, upload: Upload) -> dict[str, Any]:
        photos = Photo.objects.filter(deleting_at=None).select_related("model_version").with_faces().with_tags()
        items = UploadItem.objects.prefetch_related(Prefetch("photo", queryset=photos)).order_by("number")
        rows = Upload.objects.select_related("collection").prefetch_related(Prefetch("items", queryset=items))
        return serializers.UploadSerializer(rows.get(pk=upload.pk), context=self.get_serializer_context()).data


class PhotoDetail(ApiView):
    serializer_class = serializers.PhotoSerializer

    @schema.photo_detail
    def get(self, request: Request, uid: UUID) -> Response:
        seconds = parameters.read_wait(request)
        visible = Photo.objects.visible_to(self.user).filter(uid=uid)
        if seconds:
            waiting.wait_until_finished(list(visible.values_list("pk", flat=True)), seconds=seconds)
        return Response(
            self.get_serializer(
                get_object_or_404(visible.select_related("model_version").with_faces().with_tags())
            ).data
        )

    @schema.photo_delete
    def delete(self, request: Request, uid: UUID) -> Response:
        if not deletion.delete_photos(Photo.objects.owned_by(self.user).filter(uid=uid), by=self.user):
            raise exceptions.NotFound
        return Response(status=status.HTTP_204_NO_CONTENT)


class FaceList(ApiView, generics.ListAPIView[Face]):
    serializer_class = serializers.ListedFaceSerializer
    filterset_class = filters.FaceFilter
    newest_by = "id"

    def get_queryset(self) -> QuerySet[Face]:
        faces = Face.objects.visible_to(self.user).counted().with_current_predictions()
        return faces.select_related("photo__collection")

    @schema.face_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class CollectionView(ApiView):
    serializer_class = serializers.CollectionSerializer

    def get_queryset(self) -> QuerySet[Collection]:
        return Collection.objects.visible_to(self.user).select_related("owner")

    def describe(self, found: Sequence[Collection]) -> list[dict[str, Any]]:
        told = {"counts": summaries.count_photos(found), "deletions": retention.foresee(found)}
        context = {**self.get_serializer_context(), **told}
        return [self.get_serializer(collection, context=context).data for collection in found]


class CollectionList(CollectionView, generics.ListAPIView[Collection]):
    newest_by = "created_at"

    @schema.collection_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.get_paginated_response(self.describe(self.paginate_queryset(self.get_queryset()) or []))

    @schema.collection_create
    def post(self, request: Request) -> Response:
        asked = serializers.NewCollectionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        if not values.pop("accept_declaration"):
            raise errors.TermsNotAccepted(
                "Send accept_declaration=true to make the declaration in `details`.",
                details={"declaration": list(DECLARATION), "version": TERMS_VERSION},
            )
        made = collections.create_collection(self.user, **values)
        (body,) = self.describe([made])
        address = request.build_absolute_uri(reverse("api-collection-detail", args=[made.uid]))
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": address})


class CollectionDetail(CollectionView):
    @schema.collection_detail
    def get(self, request: Request, uid: UUID) -> Response:
        (body,) = self.describe([get_object_or_404(self.get_queryset(), uid=uid)])
        return Response(body)

    @schema.collection_delete
    def delete(self, request: Request, uid: UUID) -> Response:
        deletion.delete_collection(get_object_or_404(Collection.objects.owned_by(self.user), uid=uid), by=self.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TagList(ApiView):
    """A collection's columns of tags, and the tables that they come in."""

    parser_classes = [MultiPartParser]
    serializer_class = serializers.TagColumnSerializer

    @schema.tag_list
    def get(self, request: Request, uid: UUID) -> Response:
        collection = get_object_or_404(Collection.objects.visible_to(self.user), uid=uid)
        return Response({"results": self.get_serializer(collection.tag_columns.with_counts(), many=True).data})

    @schema.tag_create
    def post(self, request: Request, uid: UUID) -> Response:
        """What became of the table: 200, also where none of its lines fitted."""
        collection = get_object_or_404(Collection.objects.owned_by(self.user), uid=uid)
        table = request.FILES.get("table")
        if table is None:
            raise exceptions.ValidationError({"table": ["Send the CSV as a file in a field “table”."]})
        if (table.size or 0) > settings.MAX_TABLE_BYTES:
            raise errors.BodyTooLarge
        try:
            told = tags.store_table(collection, content=table.read())
        except tags.BadTable as refused:
            raise exceptions.ValidationError({"table": [str(refused)]}) from None
        return Response(serializers.ToldSerializer(told).data)


class TagDetail(ApiView):
    @schema.tag_delete
    def delete(self, request: Request, uid: UUID) -> Response:
        owned = Collection.objects.owned_by(self.user)
        tags.remove_column(get_object_or_404(TagColumn.objects.filter(collection__in=owned), uid=uid))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelList(ApiView, generics.ListAPIView[ModelVersion]):
    serializer_class = serializers.ModelVersionSerializer
    queryset = ModelVersion.objects.all()
    newest_by = "created_at"

    @schema.model_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class UnknownAddress(APIView):
    """Whatever else is asked for under the API's path."""

    authentication_classes = permission_classes = throttle_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            view = resolve(f"{request.path_info}/")
        except Resolver404:
            view = None
        is_known = view is not None and view.url_name != "api-unknown"
        hint = f" Addresses end in a slash: {request.path_info}/" if is_known else ""
        raise exceptions.NotFound(f"There is nothing at {request.path_info}.{hint}")
