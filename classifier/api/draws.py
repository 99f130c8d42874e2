"""Draws, the faces that come next in them, answers, and results."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api import draw_schema as schema
from classifier.api import draw_serializers as serializers
from classifier.api.views import ApiView
from classifier.models import Collection, Draw, Face, Photo
from classifier.services.reviews import answering, blinding, drawing, photos, results, serving


class DrawView(ApiView):
    serializer_class: Any = serializers.DrawSerializer

    def get_queryset(self) -> QuerySet[Draw]:
        return Draw.objects.visible_to(self.user).select_related("collection", "codebook")

    def find(self, uid: UUID, *, to: str = "read") -> Draw:
        """The draw, if the person may do that: read, review, or change it. Raises Http404."""
        found = {
            "read": Draw.objects.visible_to,
            "review": Draw.objects.reviewable_by,
            "change": Draw.objects.owned_by,
        }[to](self.user)
        draw: Draw = get_object_or_404(found.select_related("collection", "codebook"), uid=uid)
        return draw

    def read(self, kind: Any, request: Request) -> Any:
        asked = kind(data=request.data)
        asked.is_valid(raise_exception=True)
        return asked.validated_data


class DrawList(DrawView, generics.ListAPIView[Draw]):
    newest_by = "created_at"

    @schema.draw_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @schema.draw_create
    def post(self, request: Request) -> Response:
        values = self.read(serializers.NewDrawSerializer, request)
        owned = Collection.objects.owned_by(self.user)
        collection = get_object_or_404(owned, uid=values.pop("collection"))
        kind = values.pop("kind")
        if kind == Draw.Kind.PHOTOS:
            for name in ("attribute", "attributes"):
                values.pop(name, None)
            made = drawing.begin_photo_draw(collection, creator=self.user, **values)
        else:
            made = drawing.begin_draw(collection, creator=self.user, **values)
        address = request.build_absolute_uri(reverse("api-draw-detail", args=[made.uid]))
        body = self.get_serializer(made).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": address})


class DrawDetail(DrawView):
    @schema.draw_detail
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(self.get_serializer(self.find(uid)).data)


class DrawEnlarge(DrawView):
    @schema.draw_enlarge
    def post(self, request: Request, uid: UUID) -> Response:
        draw = self.find(uid, to="change")
        values = self.read(serializers.MoreSerializer, request)
        act = drawing.extend_draw if values["later"] else drawing.enlarge_draw
        return Response(self.get_serializer(act(draw, size=values["size"], actor=self.user)).data)


class DrawNext(DrawView):
    serializer_class = serializers.NextSerializer

    @schema.draw_next
    def get(self, request: Request, uid: UUID) -> Response:
        draw = self.find(uid, to="review")
        if draw.kind == Draw.Kind.PHOTOS:
            of_photos, rows = photos.next_photos(draw, reviewer=self.user, count=1 + serving.PRELOADED)
            told = {"size": of_photos.size, "answered": of_photos.answered, "faces": [], "photos": rows}
        else:
            found, faces = serving.next_faces(draw, reviewer=self.user)
            told = {"size": found.size, "answered": found.answered, "faces": faces, "photos": []}
        return Response(self.get_serializer({**told, "questions": draw.questions()}).data)


class DrawAnswers(DrawView):
    serializer_class = serializers.KeptSerializer

    @schema.draw_answer
    def post(self, request: Request, uid: UUID) -> Response:
        draw = self.find(uid, to="review")
        values = self.read(serializers.AnswerSerializer, request)
        of, replaces = values.pop("of"), values.pop("replaces")
        if draw.kind == Draw.Kind.PHOTOS:
            photo = get_object_or_404(Photo.objects.filter(collection=draw.collection_id), uid=of)
            common = {name: values[name] for name in ("comment", "seconds", "client_key")}
            said = photos.mark_photo(
                draw, photo=photo, reviewer=self.user, marks=values["marks"], replaces=replaces, **common
            )
            return Response({"uid": said.uid, "dropped": []}, status=status.HTTP_201_CREATED)
        values.pop("marks")
        face = get_object_or_404(Face.objects.filter(photo__collection=draw.collection_id), uid=of)
        kept = answering.answer_face(
            draw, face=face, reviewer=self.user, answer=answering.Answer(**values), replaces=replaces
        )
        body = {"uid": kept.review.uid, "dropped": kept.dropped}
        return Response(body, status=status.HTTP_201_CREATED if kept.is_new else status.HTTP_200_OK)


class DrawResults(DrawView):
    serializer_class = serializers.ResultsSerializer

    @schema.draw_results
    def get(self, request: Request, uid: UUID) -> Response:
        draw = self.find(uid)
        if blinding.list_blind([draw.uid], reader=self.user):
            raise blinding.StillBlind
        return Response(results.tell(draw))
