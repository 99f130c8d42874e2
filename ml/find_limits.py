"""Count which faces are found in large photos: python -m ml.find_limits [PHOTOS_DIR] [--detail fine] [--json FILE]

Faces of the folder's photos, or of scikit-image's astronaut, are laid on photos of several sizes in several widths.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ml import files, photos
from ml.benching import placing, sample
from ml.commands import known_device, positive, told_errors
from ml.detecting.detector import FaceDetector
from ml.requests import DETAILS, NORMAL

SIZES = ((4000, 3000), (6000, 4000), (8000, 6000), (16000, 1600), (1080, 15000))
WIDTHS_PX = (40, 60, 80, 100, 160)
FACES = 60


@dataclass(frozen=True)
class Cell:
    """Of so many faces `width_px` wide in a photo of `size` so many were found, in so much CPU time.

    `twice` are further boxes on them, `others` are boxes elsewhere; `narrowest_px` is what the detector promises.
    """

    size: tuple[int, int]
    width_px: int
    placed: int
    found: int
    twice: int
    others: int
    narrowest_px: float
    cpu_ms: float


def measure(
    faces: Sequence[placing.CutFace],
    *,
    detector: FaceDetector,
    detail: str = NORMAL,
    sizes: Sequence[tuple[int, int]],
    widths_px: Sequence[int],
    count: int,
) -> Iterator[Cell]:
    """One cell for each size and width, size by size."""
    for size in sizes:
        narrowest = detector.plan([size], details=[detail])[0].narrowest_face
        for width_px in widths_px:
            photo, boxes = placing.place_faces(faces, size=size, width_px=width_px, count=count)
            began = time.process_time()
            found = placing.count_found(boxes, detector.detect([photo], details=[detail])[0])
            cpu_ms = round(1000 * (time.process_time() - began), 1)
            yield Cell(size, width_px, **asdict(found), narrowest_px=round(narrowest, 1), cpu_ms=cpu_ms)


def tell(cell: Cell) -> str:
    """A cell in a line for people."""
    width, height = cell.size
    return (
        f"{width:>6} x {height:<6}{cell.width_px:>4} px {cell.found:>4} of {cell.placed:<4}"
        f"{cell.twice:>6}{cell.others:>8}{cell.narrowest_px:>10.1f}{cell.cpu_ms:>9.0f}"
    )


HEADER = f"{'photo':<15}{'face':>7}{'found':>8}{'twice':>12}{'others':>8}{'narrowest':>10}{'CPU ms':>9}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.find_limits", description="Count which faces are found in photos of many sizes."
    )
    parser.add_argument("photos", nargs="?", type=Path, metavar="PHOTOS_DIR", help="whose faces (default: astronaut's)")
    parser.add_argument("--detail", choices=DETAILS, default=NORMAL, help="how closely photos are searched")
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--count", type=positive, default=FACES, metavar="N", help=f"faces a photo ({FACES})")
    parser.add_argument(
        "--widths", nargs="+", type=positive, default=WIDTHS_PX, metavar="PX", help="of the faces (40 to 160 pixels)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to a file")
    args = parser.parse_args(argv)
    with told_errors(parser):
        faces = placing.cut_faces([photos.read_photo(source) for source in sample.gather_faces(args.photos)])
        if not faces:
            parser.error(f"no face in {args.photos} is sure and wide enough to be laid on photos")
        print(HEADER)
        cells = []
        detector = FaceDetector(device=args.device)
        asked = {"sizes": SIZES, "widths_px": args.widths, "count": args.count}
        for cell in measure(faces, detector=detector, detail=args.detail, **asked):
            print(tell(cell), flush=True)
            cells.append(asdict(cell))
        if args.json:
            files.replace_file(args.json, json.dumps(cells, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
