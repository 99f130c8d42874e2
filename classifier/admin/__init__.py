"""The administrator's product: everything can be seen, little can be changed, and looking at photos is written down."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin

from classifier.admin import collections, faces, operations, people, photos, reviews  # noqa: F401 - they register themselves

admin.site.site_header = "Facet administration"
admin.site.site_title = "Facet"
admin.site.index_title = "This instance"
# One door for everybody, so that the limits on guessing passwords hold here too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
