"""Folders by class: `asian/image.jpg`, or with identities `asian/identity_1/image.jpg`."""

from pathlib import Path, PurePosixPath

from ml import labels
from ml.datasets import face_set, image_store, labelled_images


def read_folders(
    root: Path,
    *,
    size: int,
    attribute: str = labels.FIRST,
    classes: face_set.Classes | None = None,
    limit: int | None = None,
    skip_unknown: bool = False,
) -> face_set.FaceSet:
    """Read all images under `root` (a folder, or zips), the name of the first folder being the class.

    `classes` None makes the folders themselves the classes of `attribute`, sorted. A second folder is the identity,
    told as `class/identity`; an image without one is an identity of its own where others have one. `limit` takes so
    many of the images, evenly from all of them. Raises EmptySet and UnknownLabels, the latter also for images that lie
    in no folder.
    """
    with image_store.open_store(root) as store:
        parts = {name: PurePosixPath(name).parts for name in store.names()}
        if classes is None:
            classes = face_set.own_classes(
                attribute, sorted({folders[0] for folders in parts.values() if len(folders) > 1})
            )
        unknown = labelled_images.Unknown()
        examples = []
        with_identities = any(len(folders) > 2 for folders in parts.values())
        step = 1 if limit is None else max(1, len(parts) // limit)
        for name, folders in list(parts.items())[::step][:limit]:
            position = classes.find(folders[0]) if len(folders) > 1 else None
            if position is None:
                unknown.names.append(name)
                continue
            identity = "/".join(folders[:2]) if with_identities else ""
            examples.append(labelled_images.Example(name, {classes.attribute: position}, identity=identity))
        left_out = {"unknown label": unknown.tell(skip=skip_unknown)}
        return labelled_images.read_faces(
            store, examples, classes={classes.attribute: classes}, size=size, left_out=left_out
        )
