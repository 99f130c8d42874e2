"""What a key may do: reading needs any, changing needs the scope `upload`; a browser's session has all."""

from typing import TYPE_CHECKING

from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from classifier.models import AccessToken

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module


class ScopeMissing(exceptions.PermissionDenied):
    default_code = "scope_missing"
    default_detail = "This token may only read; changing anything needs a token with the scope “upload”."


class HasScope(BasePermission):
    def has_permission(self, request: Request, view: "APIView") -> bool:
        """False for nobody (which becomes 401). Raises ScopeMissing for a token that may not do this."""
        if not request.user.is_authenticated:
            return False
        needed = AccessToken.Scope.READ if request.method in SAFE_METHODS else AccessToken.Scope.UPLOAD
        if isinstance(request.auth, AccessToken) and not request.auth.allows(needed):
            raise ScopeMissing
        return True
