"""Who is asking: a token in the header `Authorization: Token facet_...`, or the browser's session."""

from hmac import compare_digest
from typing import Any

from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.crypto import hash_token
from rest_framework import exceptions

from classifier.models import AccessToken, User
from classifier.services import tokens


class TokenAuthentication(KnoxTokenAuthentication):
    """knox's, but expired tokens are refused and kept (their owner sees why), and the last use is noted."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        """The user and token of a secret as sent. Raises AuthenticationFailed, with a code for each reason."""
        known = self._find(token)
        if known is None:
            raise exceptions.AuthenticationFailed("This token is not known; it may have been revoked.", "token_unknown")
        if known.is_expired():
            raise exceptions.AuthenticationFailed("This token has expired.", "token_expired")
        if not known.user.is_active:
            raise exceptions.AuthenticationFailed("The account of this token is switched off.", "account_inactive")
        tokens.note_use(known)
        return known.user, known

    def _find(self, token: bytes) -> AccessToken | None:
        if not token.isascii() or len(token) > 200:
            return None
        digest = hash_token(token.decode("ascii"))
        found: Any = AccessToken.objects.select_related("user").filter(digest=digest).first()
        return found if found is not None and compare_digest(found.digest, digest) else None
