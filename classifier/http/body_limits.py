"""How large the body of a request may be, told by its address. The web server asks while the head comes in."""

from django.conf import settings
from django.urls import Resolver404, resolve

UPLOADS = frozenset({"photo-upload", "api-photo-list"})  # the addresses that take photos
TABLES = frozenset({"tag-list", "api-tag-list", "collection-labels"})  # and those that take tables, each in a form


def max_body_bytes(path: str) -> int:
    """The most that the body of a request to this path may have: what photos, tables or other forms may."""
    try:
        name = resolve(path).url_name
    except Resolver404:
        name = None
    most: int = settings.MAX_REQUEST_BYTES if name in UPLOADS else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if name in TABLES:
        most += settings.MAX_TABLE_BYTES
    return most


def max_body_bytes_at(wsgi_path: str) -> int:
    """The same for a path in WSGI's writing, in which each byte is a character."""
    return max_body_bytes(wsgi_path.encode("latin-1", "replace").decode("utf-8", "replace"))
