"""Split UTKFace 60/20/20: python -m ml.build_splits --utkface PLACE --out FOLDER [--shares 60 20 20] [--seed 1]

Writes train.txt, val.txt and test.txt (`path label` a line), counts.csv and distributions.png. Every combination of
race, gender and age bin is parted alike. Images of the same bytes, or of nearly the same picture, stay together.
"""

import csv
import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from ml import errors, photos
from ml.commands import CommandParser, positive, say, told_errors
from ml.datasets import face_set, image_store, labelled_images, splits, utkface
from ml.files import replace_file
from ml.reporting.figures import as_png

PARTS = ("train", "val", "test")
COUNTS_FILE, FIGURE_FILE = "counts.csv", "distributions.png"


@dataclass(frozen=True)
class Listed:
    """The readable images of a set without their pixels: names, class positions (N,), and groups (N,) of the same."""

    files: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    classes: Mapping[str, face_set.Classes]
    groups: np.ndarray


def list_utkface(place: Path, *, limit: int | None = None, skip_unknown: bool = False) -> Listed:
    """Look at every image of UTKFace and find the ones that are the same.

    Warns, with counts, of unreadable images and of same images whose labels differ. Raises MissingFiles, UnknownLabels
    and EmptySet.
    """
    unknown, examples = labelled_images.Unknown(), []
    digests, fingerprints, unreadable = [], [], []
    with image_store.open_store(place) as store:
        for name in tqdm(store.names()[:limit], desc="compare", unit="img", disable=None):
            example = utkface.read_example(name)
            if example is None:
                unknown.names.append(name)
                continue
            try:
                content = store.read(name)
                with photos.naming(name):
                    fingerprints.append(splits.fingerprint(photos.read_photo(content)))
            except photos.UnreadablePhoto:
                unreadable.append(name)
                continue
            digests.append(hashlib.sha256(content).hexdigest())
            examples.append(example)
    unknown.tell(skip=skip_unknown)
    if unreadable:
        _warn(f"{len(unreadable)} images left out, they cannot be read", unreadable)
    if not examples:
        raise face_set.EmptySet("Not one image to split")
    pairs = splits.same_pairs(digests) + splits.near_identical(np.stack(fingerprints))
    differing = sorted({examples[j].file for i, j in pairs if examples[i].targets != examples[j].targets})
    if differing:
        _warn(f"{len(differing)} images have other labels than the same image elsewhere", differing)
    classes = utkface.utkface_classes()
    return Listed(
        files=tuple(example.file for example in examples),
        targets={name: np.array([example.targets[name] for example in examples]) for name in classes},
        classes=classes,
        groups=splits.join_groups(len(examples), pairs=pairs),
    )


def keep_listed(listed: Listed, *, labels: face_set.Classes) -> Listed:
    """Only the images that lists in these classes name, with a DataWarning that counts the others.

    What is not listed is neither parted nor counted. Raises EmptySet.
    """
    told = listed.classes[labels.attribute].names
    positions = listed.targets[labels.attribute]
    kept = np.flatnonzero(np.isin(positions, [told.index(name) for name in labels.names]))
    if len(kept) == len(positions):
        return listed
    if not len(kept):
        raise face_set.EmptySet(f"Not one image of {', '.join(labels.names)}")
    gone = [name for name in told if name not in labels.names]
    _warn(f"{len(positions) - len(kept)} images left out, the lists have no place for them", gone)
    place = np.array([labels.names.index(name) if name in labels.names else face_set.UNKNOWN for name in told])
    return Listed(
        files=tuple(listed.files[i] for i in kept.tolist()),
        targets={name: values[kept] for name, values in listed.targets.items()}
        | {labels.attribute: place[positions[kept]]},
        classes={**listed.classes, labels.attribute: labels},
        groups=listed.groups[kept],
    )


def part_list(listed: Listed, *, shares: Sequence[float], seed: int) -> np.ndarray:
    """(N,) the position in PARTS of each image."""
    _, strata = np.unique(np.stack(list(listed.targets.values()), axis=1), axis=0, return_inverse=True)
    return splits.assign_parts(listed.groups, strata=strata.reshape(-1), shares=shares, seed=seed)


def count_parts(listed: Listed, parts: np.ndarray) -> dict[str, np.ndarray]:
    """Per attribute the number of images (parts, classes)."""
    counts = {}
    for attribute, positions in listed.targets.items():
        width = len(listed.classes[attribute].names)
        flat = np.bincount(parts * width + positions, minlength=len(PARTS) * width)
        counts[attribute] = flat.reshape(len(PARTS), width)
    return counts


def draw_distributions(counts: Mapping[str, np.ndarray], *, classes: Mapping[str, face_set.Classes]) -> Figure:
    """One panel an attribute: the share of each class in each part, so that equal parts have equal bars."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    widths = [len(classes[attribute].names) + 1 for attribute in counts]
    for axes, (attribute, table) in zip(
        figure.subplots(1, len(counts), width_ratios=widths), counts.items(), strict=True
    ):
        places = np.arange(table.shape[1])
        for number, row in enumerate(table):
            shares = 100 * row / max(1, row.sum())
            axes.bar(places + 0.27 * (number - 1), shares, width=0.25, label=f"{PARTS[number]} ({row.sum():,})")
        axes.set_xticks(places, classes[attribute].names, rotation=30, ha="right")
        axes.set_title(attribute)
        axes.set_ylabel("% of the part's images")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(PARTS), frameon=False)
    return figure


def write_splits(folder: Path, *, listed: Listed, parts: np.ndarray, attribute: str) -> dict[str, int]:
    """Write the lists, the counts and the figure, each whole or not at all; the number of lines in each list.

    `attribute` is the one whose labels the lists tell.
    """
    told, positions = listed.classes[attribute].names, listed.targets[attribute]
    written = {}
    for number, part in enumerate(PARTS):
        here = [f"{listed.files[i]}\t{told[positions[i]]}\n" for i in np.flatnonzero(parts == number)]
        replace_file(folder / f"{part}.txt", "".join(here))
        written[part] = len(here)
    counts = count_parts(listed, parts)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "attribute", "label", "images"])
    for attribute, table in counts.items():
        for part, row in zip(PARTS, table.tolist(), strict=True):
            names = listed.classes[attribute].names
            writer.writerows([part, attribute, name, count] for name, count in zip(names, row, strict=True))
    replace_file(folder / COUNTS_FILE, text.getvalue())
    replace_file(folder / FIGURE_FILE, as_png(draw_distributions(counts, classes=listed.classes)))
    return written


def _warn(message: str, names: Sequence[str]) -> None:
    warnings.warn(f"{message}: {', '.join(names[:5])}", errors.DataWarning, stacklevel=3)


def main(argv: list[str] | None = None) -> int:
    parser = CommandParser(prog="python -m ml.build_splits", description="Split UTKFace into three lists.")
    parser.add_argument("--utkface", type=Path, required=True, metavar="PLACE", help="folder of its zips or its images")
    parser.add_argument("--out", type=Path, required=True, help="folder for the lists, the counts and the figure")
    parser.add_argument("--shares", type=float, nargs=3, default=(60, 20, 20), metavar=("TRAIN", "VAL", "TEST"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attribute", choices=("race", "gender", "age"), default="race", help="what the lists tell")
    parser.add_argument("--taxonomy", choices=("utkface-5", "utkface-4"), default="utkface-5", help="groups of race")
    parser.add_argument("--limit", type=positive, metavar="N", help="use only so many images, for a trial")
    parser.add_argument("--skip-unknown", action="store_true", help="leave out names that do not tell all labels")
    args = parser.parse_args(argv)
    if min(args.shares) < 0 or sum(args.shares) <= 0:
        parser.error("shares are positive numbers")
    wanted = face_set.classes_in(args.attribute, taxonomy=args.taxonomy if args.attribute == "race" else None)
    with told_errors(parser):
        listed = list_utkface(args.utkface, limit=args.limit, skip_unknown=args.skip_unknown)
        listed = keep_listed(listed, labels=wanted)
        parts = part_list(listed, shares=args.shares, seed=args.seed)
        written = write_splits(args.out, listed=listed, parts=parts, attribute=args.attribute)
    repeats = len(listed.files) - len(np.unique(listed.groups))
    print(f"{len(listed.files)} images, {repeats} of them the same as another")
    say(", ".join(f"{part}.txt {count}" for part, count in written.items()) + f" written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
