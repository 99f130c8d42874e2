"""UTKFace: faces whose file names tell age, gender and race; for research only, no default model is trained on it."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ml import labels
from ml.datasets import face_set, image_store, labelled_images

TAXONOMY = "utkface-5"


def parse_name(name: str) -> tuple[int, int, int] | None:
    """(years, gender, race) from [age]_[gender]_[race]_[date].chip.ext; None where a part is missing, as in a few."""
    parts = PurePosixPath(name).name.split("_")
    if len(parts) < 4 or not all(part.isdigit() for part in parts[:3]):
        return None
    years, gender, race = (int(part) for part in parts[:3])
    return (years, gender, race) if gender < 2 and race < 5 else None


def utkface_classes() -> dict[str, face_set.Classes]:
    """Race in UTKFace's five groups, gender and age bins in FairFace's labels."""
    return {
        "race": face_set.classes_in("race", taxonomy=TAXONOMY),
        "gender": face_set.classes_in("gender"),
        "age": face_set.classes_in("age"),
    }


def read_example(name: str) -> labelled_images.Example | None:
    """What a file's name tells; None where it does not tell all three labels."""
    told = parse_name(name)
    if told is None:
        return None
    years, gender, race = told
    targets = {"race": race, "gender": gender, "age": labels.bin_of("age", years)}
    return labelled_images.Example(name, targets, years=float(years))


def read_utkface(
    place: Path,
    *,
    size: int,
    shards: Sequence[str] | None = None,
    limit: int | None = None,
    skip_unknown: bool = False,
) -> face_set.FaceSet:
    """Read the images of zips, or of a folder, at (size, size), with `years` exact; `limit` stops after so many.

    Raises MissingFiles, and UnknownLabels where a name does not tell all three labels (UTKFace has a few).
    """
    unknown = labelled_images.Unknown()
    examples = []
    with image_store.open_store(place, shards=shards) as store:
        for name in store.names()[:limit]:
            example = read_example(name)
            if example is None:
                unknown.names.append(name)
            else:
                examples.append(example)
        left_out = {"unknown label": unknown.tell(skip=skip_unknown)}
        return labelled_images.read_faces(store, examples, classes=utkface_classes(), size=size, left_out=left_out)
