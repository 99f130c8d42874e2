"""The pages' addresses."""

from django.urls import path

from classifier.views import accounts, collections, explanations, kept_reports, pages, photos, reports, uploads

urlpatterns = [
    path("", collections.collection_list, name="collection-list"),
    path("collections/new/", collections.create, name="collection-create"),
    path("collections/<uuid:uid>/", collections.detail, name="collection-detail"),
    path("collections/<uuid:uid>/edit/", collections.edit, name="collection-edit"),
    path("collections/<uuid:uid>/delete/", collections.delete, name="collection-delete"),
    path("collections/<uuid:uid>/progress/", collections.progress, name="collection-progress"),
    path("collections/<uuid:uid>/upload/", uploads.upload, name="photo-upload"),
    path("collections/<uuid:uid>/run-again/", photos.run_again_failed, name="photo-run-again-failed"),
    path("collections/<uuid:uid>/delete-photos/", photos.delete_selected, name="photo-delete-selected"),
    path("collections/<uuid:uid>/summary/", reports.summary, name="collection-summary"),
    path("collections/<uuid:uid>/report/", reports.report, name="collection-report"),
    path("collections/<uuid:uid>/report/reference/", reports.reference, name="collection-report-reference"),
    path("collections/<uuid:uid>/report/again/", reports.again, name="collection-report-again"),
    path("collections/<uuid:uid>/report/keep/", reports.keep, name="collection-report-keep"),
    path("collections/<uuid:uid>/report/export/", reports.export, name="collection-report-export"),
    path("collections/<uuid:uid>/report/charts/<slug:name>.svg", reports.chart, name="collection-report-chart"),
    path("collections/<uuid:uid>/faces.csv", reports.faces, name="collection-faces"),
    path("collections/<uuid:uid>/reports/", kept_reports.kept_list, name="collection-kept-report-list"),
    path("collections/<uuid:uid>/reports/compare/", kept_reports.compare, name="collection-kept-report-compare"),
    path("collections/<uuid:uid>/reports/<int:number>/", kept_reports.detail, name="collection-kept-report"),
    path(
        "collections/<uuid:uid>/reports/<int:number>/export/", kept_reports.export, name="collection-kept-report-export"
    ),
    path(
        "collections/<uuid:uid>/reports/<int:number>/charts/<slug:name>.svg",
        kept_reports.chart,
        name="collection-kept-report-chart",
    ),
    path("photos/<uuid:uid>/", photos.detail, name="photo-detail"),
    path("photos/<uuid:uid>/image/", photos.image, name="photo-image"),
    path("photos/<uuid:uid>/thumbnail/", photos.thumbnail, name="photo-thumbnail"),
    path("photos/<uuid:uid>/delete/", photos.delete, name="photo-delete"),
    path("photos/<uuid:uid>/run-again/", photos.run_again, name="photo-run-again"),
    path("photos/<uuid:uid>/detect-again/", photos.detect_again, name="photo-detect-again"),
    path("faces/<uuid:uid>/explanations/<str:attribute>/", explanations.explanation, name="face-explanation"),
    path("explanations/<uuid:uid>/heat/", explanations.heat, name="explanation-heat"),
    path("uploads/<uuid:uid>/", uploads.detail, name="upload-detail"),
    path("account/", accounts.account_detail, name="account-detail"),
    path("account/terms/", accounts.accept_terms, name="terms-accept"),
    path("account/tokens/", accounts.token_list, name="token-list"),
    path("account/tokens/<uuid:uid>/revoke/", accounts.revoke, name="token-revoke"),
    path("models/", pages.model_list, name="model-list"),
    path("about/", pages.about, name="about"),
]
