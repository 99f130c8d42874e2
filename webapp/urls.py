"""The site's addresses: accounts, the admin, the API, and everything else from `classifier.urls`."""

from django.contrib import admin
from django.urls import include, path

from classifier.views import health

handler400 = "classifier.views.failures.bad_request"
handler500 = "classifier.views.failures.server_error"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/second-factor/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("api/v1/", include("classifier.api.urls")),
    path("", include("classifier.urls")),
]
