"""The API's addresses under /api/v1/."""

from django.urls import path, re_path

from classifier.api import draws, schema, views

urlpatterns = [
    path("photos/", views.PhotoList.as_view(), name="api-photo-list"),
    path("photos/<uuid:uid>/", views.PhotoDetail.as_view(), name="api-photo-detail"),
    path("faces/", views.FaceList.as_view(), name="api-face-list"),
    path("collections/", views.CollectionList.as_view(), name="api-collection-list"),
    path("collections/<uuid:uid>/", views.CollectionDetail.as_view(), name="api-collection-detail"),
    path("models/", views.ModelList.as_view(), name="api-model-list"),
    path("draws/", draws.DrawList.as_view(), name="api-draw-list"),
    path("draws/<uuid:uid>/", draws.DrawDetail.as_view(), name="api-draw-detail"),
    path("draws/<uuid:uid>/enlarge/", draws.DrawEnlarge.as_view(), name="api-draw-enlarge"),
    path("draws/<uuid:uid>/next/", draws.DrawNext.as_view(), name="api-draw-next"),
    path("draws/<uuid:uid>/answers/", draws.DrawAnswers.as_view(), name="api-draw-answers"),
    path("draws/<uuid:uid>/results/", draws.DrawResults.as_view(), name="api-draw-results"),
    path("schema/", schema.SchemaView.as_view(), name="api-schema"),
    path("docs/", schema.DocsView.as_view(), name="api-docs"),
    re_path(r"", views.UnknownAddress.as_view(), name="api-unknown"),
]
