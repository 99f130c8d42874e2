"""Each look that an administrator takes at a photo is written down, and its files are served only here.

A page that shows photos records them itself and seals its links to their files; a file that is asked for without the
seal of such a page is a look of its own.
"""

from collections.abc import Iterable

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest

from classifier.admin.base import administrator, record
from classifier.http import files
from classifier.models import Photo, User

SEAL_SECONDS = 3600  # how long the pictures of an open page can be loaded as part of the look it recorded
_signer = TimestampSigner(salt="facet.admin.look")


def record_look(request: HttpRequest, photos: Iterable[Photo], *, what: str) -> None:
    """Write down that somebody looked at photos; `what` is the kind of page or file."""
    if photos := list(photos):
        record(request, "photo viewed" if len(photos) == 1 else "photos viewed", rows=photos, what=what)


def sealed_link(photo: Photo, *, route: str, key: int, viewer: User) -> str:
    """The address of a photo's picture, or of one out of it, to stand on a page whose look was recorded."""
    address = files.picture_address(route, photo, key=key)
    seal = _signer.sign(_content(photo, viewer)).partition(":")[2]
    return f"{address}{'&' if '?' in address else '?'}seal={seal}"


def is_recorded(request: HttpRequest, photo: Photo) -> bool:
    """Whether the link that was followed is part of a page whose look was recorded."""
    try:
        _signer.unsign(f"{_content(photo, administrator(request))}:{request.GET.get('seal', '')}", max_age=SEAL_SECONDS)
    except BadSignature:
        return False
    return True


def _content(photo: Photo, viewer: User) -> str:
    return f"{viewer.pk}-{photo.pk}"
