"""The photos that somebody goes through: a collection as an address filters, groups and sorts it.

The gallery pages through them and a photo's page walks along them, so the address of each carries the same words.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse

from classifier.filters import SORT_WORDS, SORTS, ActiveFilter, PhotoFilter
from classifier.models import Collection, Face, Photo
from classifier.models.photos import PhotoQuerySet
from classifier.services import matches, paging
from classifier.views.access import UserRequest
from ml.labels import TAXONOMIES

FIRST_SORT = next(iter(SORTS))  # what is not said in an address


@dataclass(frozen=True)
class PhotoSet:
    """Photos of a collection that somebody may see: those that filters leave, in an order, told in a grouping."""

    collection: Collection
    filter: PhotoFilter
    sort: str
    taxonomy: str

    @property
    def photos(self) -> PhotoQuerySet:
        photos: PhotoQuerySet = self.filter.qs
        return photos

    @property
    def order(self) -> str:
        """As `services.paging` takes it."""
        return SORTS[self.sort]

    @property
    def follows_analysis(self) -> bool:
        """Whether a photo may come, go or move when a worker is through with it."""
        return bool(self.active) or self.sort == "faces"

    @property
    def sort_words(self) -> str:
        return SORT_WORDS[self.sort]

    @cached_property
    def active(self) -> list[ActiveFilter]:
        return self.filter.list_active()

    @cached_property
    def parameters(self) -> dict[str, str]:
        """What an address has to say for this set; nothing for the whole collection as it comes."""
        said: dict[str, str] = {}
        for active in self.active:
            said |= self.filter.parameters_of(active.name)
        return said | self.unfiltered

    @cached_property
    def unfiltered(self) -> dict[str, str]:
        """The grouping and the order, as far as they are others than the usual ones."""
        said = {}
        if self.taxonomy != self.collection.taxonomy:
            said["taxonomy"] = self.taxonomy
        if self.sort != FIRST_SORT:
            said["sort"] = self.sort
        return said

    def query(self, **changes: Any) -> str:
        """The part of an address that begins with `?`; empty where nothing has to be said. None takes a word away."""
        usual = {"sort": FIRST_SORT, "taxonomy": self.collection.taxonomy}
        wanted = changes | {name: value for name, value in self.parameters.items() if name not in changes}
        said = {name: value for name, value in wanted.items() if value is not None and value != usual.get(name)}
        return f"?{urlencode(said)}" if said else ""

    def query_without(self, name: str) -> str:
        """The same without one of its filters."""
        return self.query(**dict.fromkeys(self.filter.parameters_of(name)))

    def gallery_of(self, photo: Photo) -> str:
        """The address of the page of the gallery where a photo is."""
        address = reverse("collection-detail", args=[self.collection.uid])
        return f"{address}{self.query(at=photo.uid)}#photo-{photo.uid}"

    def read_page(self, *, cursor: str, at: str) -> paging.Page:
        """A page of the gallery: the one after a cursor, the one where the photo `at` (a uid) is, or the first."""
        photos = self.photos.with_faces()
        if row := self._find(at):
            return paging.read_page_around(photos, row=row, order=self.order, before=self._count_ahead(row))
        try:
            page = paging.read_page(photos, order=self.order, cursor=cursor)
        except paging.InvalidCursor:  # somebody sorted anew or kept an old address
            page = paging.read_page(photos, order=self.order)
        if cursor and not page.rows:  # what was there is gone
            return paging.read_page(photos, order=self.order)
        return page

    def _find(self, uid: str) -> Photo | None:
        try:
            return Photo.objects.filter(collection=self.collection, deleting_at=None, uid=UUID(uid)).first()
        except ValueError:
            return None

    def _count_ahead(self, photo: Photo) -> int:
        """How many photos stand before one on its page; of a large collection half a page, wherever that begins."""
        if matches.is_large(self.collection):
            return paging.PAGE_SIZE // 2
        return self.photos.filter(paging.is_before(photo, order=self.order)).count() % paging.PAGE_SIZE

    def count(self) -> matches.Matches:
        """The photos in the set, and the faces that its filters ask for; of a large collection counted once."""
        asked = {"taxonomy": self.taxonomy, **self.parameters, "sort": ""}
        return matches.tell_again(self.collection, asked=asked, count=self._count_anew)

    def _count_anew(self) -> matches.Matches:
        if not self.filter.is_about_faces():
            return matches.count_photos(self.photos)
        faces = self.filter.find_faces(to_count=True)
        if not self.filter.is_about_photos():
            return matches.count_faces(faces.filter(photo__collection=self.collection, photo__deleting_at=None))
        photos = self.filter.filter_photos(self.filter.queryset).order_by()
        return matches.count_faces(faces.filter(photo__in=photos))

    def find_place(self, photo: Photo) -> matches.Place:
        return matches.find_place(self.photos, photo=photo, order=self.order)

    def mark_matches(self, photos: list[Photo]) -> None:
        """Give photos `matching`, the keys of the faces that are asked for; None where no filter is about faces."""
        found: dict[int, set[int]] = {}
        is_asked = self.filter.is_about_faces()
        if is_asked:
            faces: QuerySet[Face] = self.filter.find_faces().filter(photo__in=photos)
            for key, photo in faces.order_by().values_list("pk", "photo_id"):
                found.setdefault(photo, set()).add(key)
        for each in photos:
            each.matching = found.get(each.pk, set()) if is_asked else None  # type: ignore[attr-defined]


def read_set(request: UserRequest, *, collection: Collection) -> PhotoSet:
    """What the address asks for; what it says that is not offered counts as not said."""
    taxonomy = choose_taxonomy(request, collection=collection)
    photos = Photo.objects.visible_to(request.user).filter(collection=collection)
    found = PhotoFilter(request.GET, queryset=photos, taxonomy=taxonomy, collection=collection)
    sort = request.GET.get("sort", "")
    return PhotoSet(collection, found, sort if sort in SORTS else FIRST_SORT, taxonomy)


def choose_taxonomy(request: UserRequest, *, collection: Collection) -> str:
    """The grouping asked for in the address, else the collection's own."""
    asked = request.GET.get("taxonomy", "")
    return asked if asked in TAXONOMIES else collection.taxonomy
