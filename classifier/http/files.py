"""Stored pictures as answers; who may see them was asked before."""

from django.core.files.storage import Storage
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag

from classifier.models import Photo

# A photo never becomes a page of this site, whatever its bytes say.
FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=86400",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def picture_address(route: str, photo: Photo, *, key: object = None) -> str:
    """Where a photo's picture is served, by the route's name and `key` (its uid where none is given).

    Browsers keep what they got for a day: a photo that was turned has another address.
    """
    address = reverse(route, args=[photo.uid if key is None else key])
    return f"{address}?turned={photo.turned}" if photo.turned else address


def send_file(
    request: HttpRequest, *, storage: Storage, name: str | None, content_type: str = "image/jpeg"
) -> HttpResponseBase:
    """A stored picture. Its name has its row's uid and never gets other bytes, so the name is its ETag.

    Raises Http404 where no file was stored, or it is gone.
    """
    if not name:
        raise Http404("No file was stored.")
    etag = quote_etag(name)
    headers = {**FILE_HEADERS, "ETag": etag}
    if unchanged := get_conditional_response(request, etag=etag):
        for header, value in headers.items():
            unchanged[header] = value
        return unchanged
    try:
        file = storage.open(name)
    except FileNotFoundError as error:
        raise Http404("The stored file is missing.") from error
    return FileResponse(file, content_type=content_type, headers=headers)
