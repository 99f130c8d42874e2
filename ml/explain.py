"""Show what mattered: python -m ml.explain PHOTO --attribute race --out FILE.png [--face 1] [--label "East Asian"]

Grad-CAM and SHAP values of one answer about one face, as a picture; `--aligned` takes a ready FairFace chip.
"""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from ml import labels, photos
from ml.commands import known_device, say, told_errors, writable_file
from ml.detecting.detector import FaceDetector
from ml.files import replace_file
from ml.model import heat_map
from ml.model.card import DEFAULT_DIR, ONNX_FILE, WEIGHTS_FILE, ModelCard
from ml.model.gradients import CannotExplain
from ml.model.heat_map import GRADCAM, METHODS, SHAP, Explanation
from ml.model.runtime import TorchRuntime
from ml.preprocess import Chip, Preset, cut_chip, whole_image
from ml.reporting.figures import INK, QUIET, as_png

PANEL_INCHES = 3.0
NAMES = {GRADCAM: "Where it looked (Grad-CAM)", SHAP: "For and against (SHAP values)"}
CAPTION = (
    "This shows what the network used for its guess, not what makes a person anything, and not whether the guess is "
    "right. Another network, or another photo of the same person, gives other pictures."
)


class NoSuchFace(CannotExplain):
    """The photo has no face of that number."""

    code = "no_face"


def find_face(image: Image.Image, *, number: int, detector: FaceDetector) -> Chip:
    """The chip of a photo's face, counted from 1, the largest first. Raises NoSuchFace."""
    found = detector.detect([image])[0]
    if not 1 <= number <= len(found):
        told = {0: "no face was found", 1: "one face was found"}.get(len(found), f"{len(found)} faces were found")
        raise NoSuchFace(f"there is no face {number}: {told}; a ready chip needs --aligned")
    return found[number - 1].chip


def cut_for(preset: Preset, image: Image.Image, *, chip: Chip, aligned: bool) -> np.ndarray:
    """The chip (S, S, 3) uint8 as a network with this preset sees it; a ready one is taken as it is."""
    return np.array(cut_chip(image, chip if aligned else preset.widen(chip), size=preset.size))


def load_runtime(folder: Path, *, device: str) -> TorchRuntime:
    """A checkpoint with gradients. Raises CannotExplain for an exported one, and what `TorchRuntime.load` raises."""
    if (folder / ONNX_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file():
        raise CannotExplain(
            f"{folder} holds an exported model only: it answers, but it has no gradients that would tell what "
            f"mattered; name the folder with the {WEIGHTS_FILE} it was exported from"
        )
    return TorchRuntime.load(folder, device=device, own_labels=True)


def draw_explanations(chip: np.ndarray, explanations: Sequence[Explanation], *, card: ModelCard) -> Figure:
    """The face (S, S, 3) uint8 beside each map laid over it in grey, with what is explained and what it means."""
    first = explanations[0]
    panels = 1 + len(explanations)
    figure = Figure(figsize=(PANEL_INCHES * panels, PANEL_INCHES + 1.9), layout="constrained", facecolor="white")
    figure.suptitle(
        f"{tell_guess(first, card=card)} · the guess of {card.name}",
        x=0.012,
        ha="left",
        fontsize=11,
        color=INK,
    )
    for axes in (row := figure.subplots(1, panels)):
        axes.set_axis_off()
    row[0].imshow(chip)
    row[0].set_title("The face as the network sees it", fontsize=9, color=INK, loc="left")
    for axes, explanation in zip(row[1:], explanations, strict=True):
        axes.imshow(heat_map.lay_over(chip, explanation))
        axes.set_title(NAMES[explanation.method], fontsize=9, color=INK, loc="left")
        _draw_legend(figure, axes, explanation)
    told = [_describe(explanation) for explanation in explanations] + [CAPTION]
    width = 48 * panels
    text = "\n".join(line for part in told for line in textwrap.wrap(part, width))
    figure.supxlabel(text, x=0.012, ha="left", fontsize=8, color=QUIET)
    return figure


def tell_guess(explanation: Explanation, *, card: ModelCard) -> str:
    """What is explained, with its doubt: in words, the probability and, under the model's threshold, "unsure"."""
    unsure = card.is_unsure(explanation.attribute, label=explanation.label, probability=explanation.probability)
    told = f"perceived {explanation.attribute}: {explanation.label}, {_percent(explanation.probability)}"
    return f"{told}, unsure" if unsure else told


def _draw_legend(figure: Figure, axes: Axes, explanation: Explanation) -> None:
    if explanation.method == GRADCAM:
        colours, ends = ["#ffffff", _hex(heat_map.FOR_A_LITTLE), _hex(heat_map.FOR)], ("did not matter", "spoke for it")
    else:
        colours, ends = [_hex(heat_map.AGAINST), "#ffffff", _hex(heat_map.FOR)], ("spoke against it", "spoke for it")
    scale = LinearSegmentedColormap.from_list("heat", colours)
    legend = axes.inset_axes((0, -0.09, 1, 0.035))
    legend.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=scale)
    legend.set_xticks((0, 255), ends, fontsize=8, color=QUIET)
    begin, end = legend.get_xticklabels()
    begin.set_horizontalalignment("left")
    end.set_horizontalalignment("right")
    legend.set_yticks(())
    legend.tick_params(length=0)
    legend.spines[:].set_visible(False)


def _describe(explanation: Explanation) -> str:
    if explanation.method == GRADCAM:
        places = explanation.places
        return (
            f"Grad-CAM weighs a map of {places} x {places} places in the network: its edges are no sharper than that."
        )
    return (
        "SHAP values share the way from "
        f"{_percent(explanation.reference_probability)} (two references without features: the face blurred, and an "
        f"even colour) to {_percent(explanation.probability)} out among the pixels; each is spread over its neighbours."
    )


def to_table(explanations: Sequence[Explanation]) -> str:
    """How much of each map lies on the parts of an aligned face, for those who do not see the picture."""
    columns = [heat_map.region_sums(explanation) for explanation in explanations]
    heads = ["looked at (share)" if e.method == GRADCAM else "for or against (log-odds)" for e in explanations]
    lines = ["".join([f"{'':16}", *(f"{head:>27}" for head in heads)])]
    for name in heat_map.REGIONS:
        cells = (
            f"{column[name]:>27.0%}" if e.method == GRADCAM else f"{column[name]:>+27.2f}"
            for e, column in zip(explanations, columns, strict=True)
        )
        lines.append("".join([f"{name:16}", *cells]))
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}" if 0.005 <= share < 0.995 else "<1%" if share < 0.5 else ">99%"


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.explain",
        description="Show what in a face mattered for a guess, by Grad-CAM and SHAP values. The answers are a model's "
        "guesses about impressions, and so are their explanations.",
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="a photo, or with --aligned a ready FairFace chip")
    known = f"{', '.join(labels.ATTRIBUTES)}, or one of the checkpoint's own"
    parser.add_argument("--attribute", default=labels.FIRST, help=known)
    parser.add_argument("--label", help="what to explain (default: the most probable label)")
    parser.add_argument("--face", type=int, default=1, metavar="N", help="which face, the largest is 1 (default)")
    parser.add_argument("--aligned", action="store_true", help="take the image as a ready chip: no detection")
    parser.add_argument("--method", choices=(*METHODS, "both"), default="both")
    parser.add_argument("--model", type=Path, default=DEFAULT_DIR, metavar="DIR", help="folder of a checkpoint")
    parser.add_argument("--out", type=writable_file, required=True, metavar="FILE.png", help="the picture")
    parser.add_argument("--device", type=known_device, default="cpu", help="cpu or cuda")
    args = parser.parse_args(argv)
    if args.out.suffix.lower() != ".png":
        parser.error(f"--out {args.out}: name a file that ends in .png")
    methods = METHODS if args.method == "both" else (args.method,)
    with told_errors(parser):
        try:
            image = photos.read_photo(args.photo)
        except photos.UnreadablePhoto as error:
            parser.error(f"{args.photo} is not a photo that can be read: {error}")
        runtime = load_runtime(args.model, device=args.device)
        detector = None if args.aligned else FaceDetector(device=args.device)
        place = find_face(image, number=args.face, detector=detector) if detector else whole_image(*image.size)
        chip = cut_for(runtime.card.preset, image, chip=place, aligned=args.aligned)
        found: list[Explanation] = []
        try:
            for method in tqdm(methods, desc="explain", unit="map", disable=None):
                label = args.label or (found[0].label if found else None)
                found.append(runtime.explain(chip, attribute=args.attribute, label=label, method=method))
        except ValueError as error:
            parser.error(str(error))
        replace_file(args.out, as_png(draw_explanations(chip, found, card=runtime.card), is_photo=True))
    print(tell_guess(found[0], card=runtime.card))
    print(to_table(found))
    say(f"written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
