"""Images by name, whether they lie in a folder or in zips."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from ml import file_names, photos
from ml.datasets import face_set


class ImageStore:
    """Images by name: the files under a folder, or the members of zips.

    Names are text that every output can hold, as `file_names.to_text` has it, so that results name files of any bytes.
    """

    def __init__(self, *, folder: Path | None = None, archives: Sequence[zipfile.ZipFile] = ()) -> None:
        self._folder = folder
        self._members = {name: archive for archive in archives for name in archive.namelist() if is_image(name)}
        count = sum(is_image(name) for archive in archives for name in archive.namelist())
        if count > len(self._members):
            raise face_set.BadData(f"{count - len(self._members)} names occur more than once in the zips")

    def names(self) -> list[str]:
        """All images: zips in their own order, folders sorted; names with `/`, relative to the folder."""
        if self._folder is None:
            return list(self._members)
        found = (path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file())
        return sorted(file_names.to_text(name) for name in found if is_image(name))

    def has(self, name: str) -> bool:
        """Whether an image of this name is there."""
        return name in self._members if self._folder is None else self._find_file(name).is_file()

    def find(self, name: str) -> str:
        """The name of the image here that a file may call `./a.jpg`, by its whole path, or as Windows does.

        A name that means none of the images is answered as it is.
        """
        for spelled in (name, name.replace("\\", "/")):
            path = PurePosixPath(spelled)
            if self._folder is not None and path.is_absolute():
                inside = self._folder.absolute().as_posix()
                path = path.relative_to(inside) if path.is_relative_to(inside) else path
            if self.has(path.as_posix()):
                return path.as_posix()
        return name

    def read(self, name: str) -> bytes:
        """The bytes of one image; may be called from several threads. Raises UnreadablePhoto for a damaged member."""
        if self._folder is not None:
            return self._find_file(name).read_bytes()
        try:
            return self._members[name].read(name)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise photos.UnreadablePhoto("damaged", str(error)) from error

    def _find_file(self, name: str) -> Path:
        folder = self._folder or Path()
        return path if (path := folder / name).is_file() else folder / file_names.from_text(name)


def is_image(name: str) -> bool:
    """Whether a file's name ends as an image's does."""
    return PurePosixPath(name).suffix.lower() in photos.SUFFIXES


@contextmanager
def open_store(place: Path, *, shards: Sequence[str] | None = None) -> Iterator[ImageStore]:
    """The images at a place: the zips named by `shards`, else the zip itself, a folder's zips, or a folder of images.

    Raises MissingFiles, and BadData for what is no zip.
    """
    if shards is not None:
        paths = [place / shard for shard in shards]
    elif place.is_file():
        paths = [place]
    else:
        paths = sorted(place.glob("*.zip"))
    missing = [str(path) for path in paths or [place] if not path.exists()]
    if missing:
        raise face_set.MissingFiles("Not there", names=missing)
    with ExitStack() as stack:
        try:
            archives = [stack.enter_context(zipfile.ZipFile(path)) for path in paths]
        except zipfile.BadZipFile as error:
            raise face_set.BadData(f"A zip is damaged ({error})", names=[str(path) for path in paths]) from error
        yield ImageStore(archives=archives) if archives else ImageStore(folder=place)
