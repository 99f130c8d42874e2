"""What comes before a draw and beside it: how many faces a precision takes, and labels that come from elsewhere."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api import draw_schema as schema
from classifier.api import draw_serializers as serializers
from classifier.api.draws import DrawView
from classifier.models import Collection
from classifier.services.reviews import importing


class DrawSizes(DrawView):
    serializer_class = serializers.SizesSerializer

    @schema.draw_sizes
    def get(self, request: Request, uid: UUID) -> Response:
        from classifier.services.reviews import planning  # loads numpy

        collection = get_object_or_404(Collection.objects.visible_to(self.user), uid=uid)
        attribute = request.query_params.get("attribute", next(iter(collection.attributes), ""))
        if attribute not in collection.attributes:
            on = ", ".join(collection.attributes) or "nothing"
            raise exceptions.ValidationError({"attribute": [f"On for this collection: {on}."]})
        guessed = planning.count_guesses(collection, attribute=attribute)
        told = {"attribute": attribute, "faces": guessed.faces, "sizes": planning.plan_sizes(guessed)}
        return Response(self.get_serializer(told).data)


class Labels(DrawView):
    serializer_class = serializers.MatchedSerializer

    @schema.labels_create
    def post(self, request: Request, uid: UUID) -> Response:
        collection = get_object_or_404(Collection.objects.owned_by(self.user), uid=uid)
        values = self.read(serializers.LabelsSerializer, request)
        found = importing.import_labels(
            collection,
            content=values["csv"].encode(),
            actor=self.user,
            source=values["source"],
            is_random_draw=values["is_random_draw"],
            leaves_out_unknown=values["leaves_out_unknown"],
        )
        return Response(self.get_serializer(found).data, status=status.HTTP_201_CREATED)
