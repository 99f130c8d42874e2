"""Export a checkpoint to ONNX: python -m ml.export --model DIR --out DIR [--data PLACE] [--int8]

The graph takes batches of any size. Its answers are compared with the network's, on real chips where --data names some
(as for ml.evaluate), before it is kept. --int8 makes weights and activations 8 bits wide, and is refused where that
costs any group of people more than half a point. The export is another version, called NAME-onnx or NAME-int8 unless
--name says otherwise. Exits with 1 when the export is refused.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml import card as cards
from ml import checkpoint, data, held_out, metrics, network, sources
from ml.commands import told_errors, writable_folder
from ml.measuring.alignment import Aligned, align
from ml.measuring.grouping import NothingInCommon
from ml.measuring.predictions import Predictions, predict_faces
from ml.preprocess import to_input
from ml.runtime import BATCH, ONNX_INPUT, OnnxRuntime, as_onnx_input

# The largest difference between torch's and ONNX Runtime's logits, both float32. Rounding in another order makes about
# 1e-5; a millionth of it would matter to nobody, a wrong graph is off by far more.
LOGIT_TOLERANCE = 1e-3
# The share that int8 may lose in any group, in any attribute.
INT8_LARGEST_LOSS = 0.005
CALIBRATION_CHIPS = 256
GENERATED_CHIPS = 64
COMPARED_CHIPS = 256


class ExportRefused(Exception):
    """The exported model does not do what the network does; nothing was written."""


@dataclass(frozen=True)
class Loss:
    """What int8 loses of an attribute among the chips of one group (or all of them), in shares 0..1."""

    attribute: str
    group: str
    images: int
    before: float
    after: float

    @property
    def lost(self) -> float:
        return self.before - self.after


class _Vectors(nn.Module):
    """The network as a graph wants it: one input, and the attributes' logits in a fixed order."""

    def __init__(self, net: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, chips: Tensor) -> tuple[Tensor, ...]:
        found = self.net(chips)
        return tuple(found[name] for name in self.names)


def to_onnx(net: network.AttributeNet, *, card: cards.ModelCard) -> bytes:
    """The network with folded normalisations as one ONNX file in float32, for batches of any size.

    Raises MissingRuntime without the packages it takes.
    """
    try:
        import onnxscript  # noqa: F401 # torch's exporter needs it and onnx
    except ImportError as error:
        raise cards.MissingRuntime("exporting needs onnx and onnxscript: pip install onnx onnxscript") from error
    names = tuple(card.labels)
    graph = _Vectors(network.fold_norms(net).requires_grad_(False), names).eval()
    # Two chips: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, card.preset.size, card.preset.size)
    program = torch.onnx.export(
        graph,
        (example,),
        dynamo=True,
        verbose=False,
        external_data=False,
        input_names=[ONNX_INPUT],
        output_names=list(names),
        dynamic_shapes={ONNX_INPUT: {0: torch.export.Dim("batch")}},
    )
    if program is None:
        raise RuntimeError("torch exported nothing")
    return program.model_proto.SerializeToString()


@torch.inference_mode()
def largest_difference(net: network.AttributeNet, *, runtime: OnnxRuntime, chips: np.ndarray) -> float:
    """The largest difference of a logit, over chips (N, S, S, 3) in full batches and one alone, both flips' mean."""
    largest = 0.0
    for part in (chips, chips[:1]):
        found = runtime.logits(part)
        for begin in range(0, len(part), BATCH):
            batch = torch.from_numpy(part[begin : begin + BATCH]).permute(0, 3, 1, 2)
            x = to_input(batch, preset=runtime.card.preset)
            straight, mirrored = net(x), net(x.flip(3))
            for name, values in straight.items():
                expected = ((values + mirrored[name]) / 2).numpy()
                off = np.abs(expected - found[name][begin : begin + BATCH]).max()
                largest = max(largest, float("inf") if np.isnan(off) else float(off))
    return largest


def quantise(weights: bytes, *, chips: np.ndarray, card: cards.ModelCard) -> bytes:
    """The same graph with 8-bit weights and activations, whose ranges are taken from chips (N, S, S, 3)."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Chips(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = self._read()

        def _read(self) -> Iterator[dict[str, np.ndarray]]:
            for begin in range(0, len(chips), BATCH):
                yield {ONNX_INPUT: as_onnx_input(chips[begin : begin + BATCH], card=card)}

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, small = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "small"))
        plain.write_bytes(weights)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            small,
            Chips(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # 7-bit weights: sums of 8-bit products overflow on CPUs without VNNI
        )
        return small.read_bytes()


def measure_losses(before: Predictions, *, after: Predictions, faces: data.FaceSet) -> list[Loss]:
    """Per labelled attribute, over all chips and in each group that has any, the accuracies of both.

    The groups are those of race, or where the set has no such labels, those of the attribute itself. Raises
    ExportRefused where labels and network have nothing in common.
    """
    losses = []
    for attribute in before.classes:
        if attribute not in faces.classes:
            continue
        try:
            one, two = (align(told, faces, attribute=attribute) for told in (before, after))
        except NothingInCommon:
            continue
        for group, among in _groups(one, faces).items():
            accuracies = (metrics.accuracy(told.predicted[among], told.actual[among]) for told in (one, two))
            losses.append(Loss(attribute, group, int(among.sum()), *accuracies))
    if not losses:
        raise ExportRefused("the labels of these faces are none that the network gives: what int8 loses is not known")
    return losses


def _groups(told: Aligned, faces: data.FaceSet) -> dict[str, np.ndarray]:
    """Who is among the aligned faces (M,) bool: all, and each group with any face."""
    groups = {"all": np.ones(len(told.rows), dtype=bool)}
    if "race" in faces.classes:
        names, of = faces.classes["race"].names, faces.targets["race"][told.rows]
    else:
        names, of = told.grouping.names, told.actual
    return groups | {name: of == number for number, name in enumerate(names) if np.any(of == number)}


def generate_chips(size: int) -> np.ndarray:
    """Chips (N, S, S, 3) of coloured noise, coarse to fine, where there are no real ones to compare on."""
    rng = np.random.default_rng(1)
    chips = np.zeros((GENERATED_CHIPS, size, size, 3))
    for cells in (2, 8, 32):
        noise = rng.uniform(0, 255 / 3, (GENERATED_CHIPS, cells, cells, 3))
        where = np.arange(size) * cells // size
        chips += noise[:, where][:, :, where]
    return chips.round().astype(np.uint8)


def split_faces(faces: data.FaceSet) -> tuple[np.ndarray, data.FaceSet]:
    """Chips to calibrate on, drawn at random, and the rest to measure on: never the same ones.

    Raises ExportRefused where there are not enough for both.
    """
    order = np.random.default_rng(1).permutation(len(faces))
    count = min(CALIBRATION_CHIPS, len(faces) // 2)
    if not count:
        raise ExportRefused(f"int8 cannot be calibrated and measured on {len(faces)} faces")
    return faces.images[np.sort(order[:count])], faces.take(np.sort(order[count:]))


def export(
    folder: Path, *, out: Path, faces: data.FaceSet | None, int8: bool, name: str | None = None
) -> cards.ModelCard:
    """Export a checkpoint, compare it, and only then write it with its card. Returns the card.

    `faces` are real chips, labelled; int8 cannot do without them. `name` None appends -onnx or -int8. Raises
    ExportRefused, and what reading a checkpoint and the packages raise.
    """
    if int8 and faces is None:
        raise ValueError("int8 needs labelled faces to be calibrated and measured on")
    net, card = checkpoint.load(folder, own_labels=True)
    weights = to_onnx(net, card=card)
    plain = OnnxRuntime(weights, card)
    chips = generate_chips(card.preset.size) if faces is None else faces.images[:COMPARED_CHIPS]
    difference = largest_difference(net, runtime=plain, chips=chips)
    kind = "generated" if faces is None else "real"
    print(f"largest difference of a logit on {len(chips)} {kind} chips: {difference:.2e}, allowed {LOGIT_TOLERANCE}")
    if difference > LOGIT_TOLERANCE:
        raise ExportRefused(f"ONNX Runtime differs from torch by {difference:.2e}, more than {LOGIT_TOLERANCE}")
    about: dict[str, Any] = {
        "exported_from": card.sha256,
        "precision": "int8" if int8 else "float32",
        "largest_difference": float(f"{difference:.3g}"),
        "compared_on": f"{len(chips)} {kind} chips",
    }
    if int8 and faces is not None:
        calibration, measured = split_faces(faces)
        weights = quantise(weights, chips=calibration, card=card)
        small = predict_faces(OnnxRuntime(weights, card), measured)
        losses = measure_losses(predict_faces(plain, measured), after=small, faces=measured)
        tell_losses(losses, faces=measured)
        check_losses(losses)
        worst = max(losses, key=lambda loss: loss.lost)
        about |= {"measured_on": len(measured), "largest_loss": round(worst.lost, 4)}
    return cards.write_pair(
        out,
        card=replace(
            card,
            name=name or f"{card.name}-{'int8' if int8 else 'onnx'}",
            metrics={**card.metrics, "export": about},
        ),
        weights=weights,
        weights_file=cards.ONNX_FILE,
    )


def tell_losses(losses: Sequence[Loss], *, faces: data.FaceSet) -> None:
    """Print what int8 does to each group, and the groups of which that is not known."""
    for loss in losses:
        print(
            f"{loss.attribute:6} {loss.group:16} {loss.images:6} images  "
            f"float32 {loss.before:.2%}  int8 {loss.after:.2%}  {(loss.after - loss.before) * 100:+.2f} points"
        )
    for name in faces.classes["race"].names if "race" in faces.classes else ():
        if not any(loss.group == name for loss in losses):
            print(f"no images of {name}: what int8 does to them is not known")


def check_losses(losses: Sequence[Loss]) -> None:
    """Raise ExportRefused where a group loses more than it may."""
    bad = [loss for loss in losses if loss.lost > INT8_LARGEST_LOSS]
    if bad:
        told = ", ".join(f"{loss.attribute} of {loss.group} {loss.lost * 100:.2f}" for loss in bad)
        raise ExportRefused(f"int8 loses more than {INT8_LARGEST_LOSS * 100} points: {told}")


def read_faces(args: argparse.Namespace) -> data.FaceSet | None:
    """The chips that the options name; int8 is not measured on images that the checkpoint was trained on."""
    if args.data is None:
        return None
    card = cards.read_card(args.model, own_labels=True)
    faces = sources.read_source(sources.from_arguments(args), preset=card.preset)
    if args.int8:
        held_out.check_untouched(faces, card=card, place=args.data)
    return faces


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.export",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, default=cards.DEFAULT_DIR, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument(
        "--out", type=writable_folder, required=True, metavar="DIR", help="folder for the export and its card"
    )
    parser.add_argument("--name", help="its name (default: the checkpoint's with -onnx or -int8)")
    parser.add_argument("--int8", action="store_true", help="8-bit weights and activations, if no group loses by it")
    sources.add_arguments(parser, required=False)
    args = parser.parse_args(argv)
    if args.int8 and args.data is None:
        parser.error("--int8 needs --data: labelled chips to calibrate and measure on")
    args.out = args.out.resolve()
    if (args.out / cards.WEIGHTS_FILE).exists():
        parser.error(f"--out {args.out} holds a checkpoint whose card this would replace")
    with told_errors(parser):
        try:
            card = export(args.model, out=args.out, faces=read_faces(args), int8=args.int8, name=args.name)
        except ExportRefused as error:
            print(f"refused: {error}", file=sys.stderr)
            return 1
    print(f"{card.name} {card.sha256[:12]} written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
