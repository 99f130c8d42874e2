"""Fit what tells faces from drawings: python -m ml.fit_likeness --faces DATA/train-0.zip --held-out DATA/val.zip

Chips of real faces are laid on grounds, spoilt as photos are, and shown to the detector, as are drawings; one linear
layer on O-Net's last features tells the two apart. Writes it to ml/detecting, or elsewhere with --out.
"""

import argparse
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ml.benching import drawings, sample
from ml.commands import positive, told_errors, writable_file
from ml.datasets.image_store import open_store
from ml.detecting import likeness
from ml.detecting.detector import LEAST_LIKENESS, FaceDetector, Settings
from ml.detecting.faces import DetectedFace
from ml.files import replacing
from ml.photos import read_photo

FACES, DRAWINGS, HELD_OUT = 3_000, 4_000, 1_000
CANVAS = 600  # pixels
SCALES = (0.15, 1.6)  # of FairFace's chips of 224 pixels
SEEDS = (1, 2)  # to fit by, and held out
# Ridge of the layer, in squared weights of standardised features to the mean loss; and steps of its fit.
RIDGE, STEPS = 0.03, 60


@dataclass
class Recorder(likeness.Likeness):
    """Stands for the likeness: keeps the features that it is shown, and calls each by its place among them."""

    features: list[Tensor] = field(default_factory=list)

    def weigh(self, features: Tensor) -> Tensor:
        first = len(self.features)
        self.features += features.unbind()
        return torch.arange(first, first + len(features), dtype=torch.float)


def show_faces(place: Path, *, count: int, seed: int) -> Iterator[Image.Image]:
    """Chips of a zip or folder, each on a ground of its own, at many sizes, some of them spoilt."""
    rng = np.random.default_rng(seed)
    with open_store(place) as store:
        for name in islice(store.names(), count):
            chip = read_photo(store.read(name))
            side = max(1, round(chip.width * rng.uniform(*SCALES)))
            ground = sample.make_ground(rng, size=(CANVAS, CANVAS))
            corner = rng.integers(0, CANVAS - side + 1, 2).tolist()
            ground.paste(chip.resize((side, side), Image.Resampling.LANCZOS), (corner[0], corner[1]))
            yield spoil(ground, rng=rng)


def spoil(photo: Image.Image, *, rng: np.random.Generator) -> Image.Image:
    """Some as they are, others grey, dark, pale, bright, blurred, noisy or hard compressed."""
    kind = rng.integers(9)
    if kind == 0:
        return photo.convert("L").convert("RGB")
    if kind in (1, 2):
        return ImageEnhance.Brightness(photo).enhance(rng.uniform(*((0.3, 0.8) if kind == 1 else (1.2, 1.8))))
    if kind == 3:
        return ImageEnhance.Contrast(photo).enhance(rng.uniform(0.4, 0.8))
    if kind == 4:
        return photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
    if kind == 5:
        noisy = np.asarray(photo) + rng.normal(0, rng.uniform(5, 25), (CANVAS, CANVAS, 3))
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    if kind == 6:
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=int(rng.integers(15, 60)))
        return Image.open(file).convert("RGB")
    return photo


def find_features(photos: Iterable[Image.Image], *, only_largest: bool) -> Tensor:
    """(N, 256) of all faces that the detector sees in photos, or of the largest of each."""
    recorder = Recorder(torch.empty(0), torch.empty(0))
    detector = FaceDetector(replace(Settings(), least_likeness=-math.inf), likeness=recorder, precision="float32")
    found: list[Tensor] = []
    for photo in photos:
        recorder.features.clear()
        faces: list[DetectedFace] = detector.detect([photo])[0]
        found += [recorder.features[round(face.likeness)] for face in faces[: 1 if only_largest else None]]
    return torch.stack(found)


def fit(faces: Tensor, drawn: Tensor) -> likeness.Likeness:
    """A logistic regression of features (N, 256) in which both kinds weigh alike."""
    features = torch.cat([faces, drawn])
    mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-6
    x = (features - mean) / spread
    y = torch.cat([torch.ones(len(faces)), torch.zeros(len(drawn))])
    share = torch.where(y == 1, 0.5 / len(faces), 0.5 / len(drawn))
    weight, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.binary_cross_entropy_with_logits(x @ weight + bias, y, weight=share, reduction="sum")
        value = value + RIDGE * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    plain = weight.detach() / spread
    return likeness.Likeness(plain, bias.detach() - plain @ mean)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.fit_likeness", description="Fit what tells photographed faces from drawn ones."
    )
    parser.add_argument("--faces", type=Path, required=True, metavar="PLACE", help="chips to fit by, a zip or a folder")
    parser.add_argument("--held-out", type=Path, required=True, metavar="PLACE", help="chips to measure on")
    parser.add_argument("--counts", nargs=3, type=positive, default=(FACES, DRAWINGS, HELD_OUT), metavar="N",
                        help="faces and drawings to fit by, and each to measure on")  # fmt: skip
    parser.add_argument("--out", type=writable_file, default=likeness.FILE, metavar="FILE", help="where it is written")
    args = parser.parse_args(argv)
    faces, drawn, held_out = args.counts
    with told_errors(parser):
        found = []
        for place, count, drawings_count, seed in (
            (args.faces, faces, drawn, SEEDS[0]),
            (args.held_out, held_out, held_out, SEEDS[1]),
        ):
            shown = tqdm(show_faces(place, count=count, seed=seed), total=count, desc="faces", disable=None)
            drew = tqdm(
                drawings.draw_all(drawings_count, seed=seed), total=drawings_count, desc="drawings", disable=None
            )
            found.append((find_features(shown, only_largest=True), find_features(drew, only_largest=False)))
        layer = fit(*found[0])
        told = {"faces": len(found[0][0]), "drawn": len(found[0][1])}
        with replacing(args.out) as (part,):
            save_file({"weight": layer.weight, "bias": layer.bias}, part, metadata={"fitted": json.dumps(told)})
        for name, features in zip(("faces", "drawings"), found[1], strict=True):
            weights = layer.weigh(features)
            gone = int((weights < LEAST_LIKENESS).sum())
            least = ", ".join(f"{value:.2f}" for value in weights.sort().values[:5].tolist())
            print(f"held out: {gone} of {len(weights)} {name} seen are refused at {LEAST_LIKENESS}; least {least}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
