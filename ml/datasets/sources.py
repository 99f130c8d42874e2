"""The one way to name a data set, in a recipe or on a command line."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from ml import labels
from ml.commands import positive
from ml.datasets import face_set, fairface, folders, lists, reviews, utkface
from ml.errors import BadRecipe
from ml.preprocess import FAIRFACE_MARGIN, Preset

READERS = ("fairface", "utkface", "list", "folders", "reviews")
# What would otherwise be passed over in silence: these readers find their labels' classes in the data.
_MEANINGLESS = {
    "fairface": ("attribute", "taxonomy", "classes", "order"),
    "utkface": ("attribute", "classes", "order"),
    "folders": ("order",),
    "reviews": ("attribute", "taxonomy", "classes", "order"),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one of READERS reads a data set, wherever it lies.

    `shards` names the zips, in order; `label_file` is FairFace's; `order` is what a list's numbers mean. Lists and
    folders carry labels of one `attribute`, in a `taxonomy` (empty: the finest) or in `classes` of their own. `margin`
    is how much of the surroundings the images show, as a share of the face on each side.
    """

    reader: str = "fairface"
    shards: tuple[str, ...] = ()
    label_file: str = fairface.TRAIN_CSV
    order: tuple[str, ...] = ()
    attribute: str = labels.FIRST
    taxonomy: str = ""
    classes: tuple[str, ...] = ()
    skip_unknown: bool = False
    margin: float = FAIRFACE_MARGIN


@dataclass(frozen=True)
class Source(Reading):
    """A data set in its `place`: a folder, a zip, or the reviews' CSV; `list_file` names a list of its images."""

    place: Path
    list_file: Path | None = None
    limit: int | None = None


def read_source(source: Source, *, preset: Preset) -> face_set.FaceSet:
    """The faces as a network with this preset sees them.

    Raises BadRecipe for what does not fit together, and what the readers raise.
    """
    _check(source)
    check_margin(preset.margin, shown=source.margin)
    shown = (1 + 2 * preset.margin) / (1 + 2 * source.margin)  # the part of each image's side that is wanted
    side = round(preset.size / shown)
    faces = _read(source, size=side)
    if side == preset.size:
        return faces
    begin = (side - preset.size) // 2
    return faces.crop(begin, begin + preset.size)


def check_margin(wanted: float, *, shown: float) -> None:
    """Raise BadRecipe where images show less around the face than a network wants."""
    if wanted > shown:
        raise BadRecipe(f"the network wants a margin of {wanted:g} around the face, but the images show {shown:g}")


def _check(source: Source) -> None:
    plain = Source(source.place)
    given = [name for name in _MEANINGLESS.get(source.reader, ()) if getattr(source, name) != getattr(plain, name)]
    if given:
        raise BadRecipe(f"the reader {source.reader} has its own classes: leave {', '.join(given)} out")
    if not 0 <= source.margin < math.inf:
        raise BadRecipe(f"a margin is a number of at least 0, not {source.margin:g}")


def _read(source: Source, *, size: int) -> face_set.FaceSet:
    shards, skip = list(source.shards) or None, source.skip_unknown
    if source.reader == "fairface":
        return fairface.read_fairface(
            source.place,
            label_file=source.label_file,
            size=size,
            shards=shards,
            limit=source.limit,
            skip_unknown=skip,
        )
    if source.reader == "utkface":
        faces = utkface.read_utkface(source.place, size=size, shards=shards, limit=source.limit, skip_unknown=skip)
        return faces.regroup(source.attribute, _classes(source)) if source.taxonomy else faces
    if source.reader == "list":
        if source.list_file is None:
            raise BadRecipe("the reader list needs a list file")
        return lists.read_list(
            source.list_file,
            classes=_classes(source),
            size=size,
            root=source.place,
            order=source.order or None,
            limit=source.limit,
            skip_unknown=skip,
        )
    if source.reader == "folders":
        named = source.taxonomy or source.classes or source.attribute != labels.FIRST
        return folders.read_folders(
            source.place,
            size=size,
            attribute=source.attribute,
            classes=_classes(source) if named else None,
            limit=source.limit,
            skip_unknown=skip,
        )
    if source.reader == "reviews":
        return reviews.read_reviews(source.place, size=size, limit=source.limit, skip_unknown=skip)
    raise BadRecipe(f"no reader called {source.reader!r}; known: {', '.join(READERS)}")


def _classes(source: Source) -> face_set.Classes:
    if source.classes:
        try:
            return face_set.own_classes(source.attribute, source.classes)
        except ValueError as error:
            raise BadRecipe(str(error)) from error
    if source.attribute not in labels.ATTRIBUTES:
        raise BadRecipe(f"{source.attribute!r} is none of {', '.join(labels.ATTRIBUTES)}; give its classes")
    try:
        return face_set.classes_in(source.attribute, taxonomy=source.taxonomy or None)
    except KeyError as error:
        raise BadRecipe(f"no taxonomy called {source.taxonomy!r} for {source.attribute}") from error


def add_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that `from_arguments` reads; `required` says whether --data must be given."""
    group = parser.add_argument_group("data set", "FairFace's validation images unless another is named")
    group.add_argument("--data", type=Path, required=required, metavar="PLACE", help="folder, zip, or the reviews' CSV")
    group.add_argument("--reader", choices=READERS, help="what it is (default: list with --list, else fairface)")
    group.add_argument("--shard", action="append", default=[], metavar="ZIP", help="a zip in it; may be repeated")
    group.add_argument("--labels", metavar="FILE", help="FairFace's label file in it")
    group.add_argument("--list", type=Path, metavar="FILE", help="list file: `path label` a line")
    group.add_argument("--order", type=_words, default=(), metavar="A,B", help="what the list's numbers 0, 1, … mean")
    group.add_argument("--attribute", default=labels.FIRST, help="what lists and folders label (default: %(default)s)")
    group.add_argument("--taxonomy", default="", help=f"grouping of their labels: {', '.join(labels.TAXONOMIES)}")
    group.add_argument("--classes", type=_words, default=(), metavar="A,B", help="classes of your own instead")
    group.add_argument("--skip-unknown", action="store_true", help="leave images with unknown labels out")
    group.add_argument("--limit", type=positive, metavar="N", help="use only so many images")
    group.add_argument(
        "--margin",
        type=float,
        default=FAIRFACE_MARGIN,
        metavar="X",
        help="how much the images show around the face, as a share of it on each side (default: %(default)s)",
    )


def names_a_set(args: argparse.Namespace) -> bool:
    """Whether the options say more of a data set than where it lies."""
    return bool(args.reader or args.shard or args.labels or args.list)


def from_arguments(args: argparse.Namespace) -> Source:
    """The source that the options name; FairFace's validation shard when only a folder is given."""
    reader = args.reader or ("list" if args.list else "fairface")
    shards, label_file = tuple(args.shard), args.labels
    if reader == "fairface":
        if not shards and label_file is None and (args.data / "val.zip").is_file():
            shards = ("val.zip",)
        label_file = label_file or fairface.VAL_CSV
    return Source(
        place=args.data,
        reader=reader,
        shards=shards,
        label_file=label_file or fairface.TRAIN_CSV,
        list_file=args.list,
        order=args.order,
        attribute=args.attribute,
        taxonomy=args.taxonomy,
        classes=args.classes,
        skip_unknown=args.skip_unknown,
        limit=args.limit,
        margin=args.margin,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
