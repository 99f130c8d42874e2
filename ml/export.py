"""Export a checkpoint to ONNX: python -m ml.export --model DIR --out DIR [--int8] [--data FOLDER]"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml import card as cards
from ml import checkpoint, data, labels, metrics, network
from ml.datasets import fairface
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
    """What int8 loses among the chips of one race group (or all of them), in shares 0..1."""

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


def measure_losses(before: OnnxRuntime, *, after: OnnxRuntime, faces: data.FaceSet) -> list[Loss]:
    """Per attribute, over all chips and in each race group that has any: the accuracies of both."""
    one, two = before.logits(faces.images), after.logits(faces.images)
    race = faces.targets["race"]
    groups = {"all": np.ones(len(faces), dtype=bool)}
    groups |= {name: race == number for number, name in enumerate(labels.RACE) if np.any(race == number)}
    return [
        Loss(
            attribute,
            group,
            int(among.sum()),
            metrics.accuracy(one[attribute][among].argmax(axis=1), faces.targets[attribute][among]),
            metrics.accuracy(two[attribute][among].argmax(axis=1), faces.targets[attribute][among]),
        )
        for attribute in one
        for group, among in groups.items()
    ]


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


def export(folder: Path, *, out: Path, faces: data.FaceSet | None, int8: bool) -> cards.ModelCard:
    """Export a checkpoint, compare it, and only then write it with its card. Returns the card.

    `faces` are real chips, labelled; int8 cannot do without them. Raises ExportRefused, and what reading a checkpoint
    and the packages raise.
    """
    if int8 and faces is None:
        raise ValueError("int8 needs labelled faces to be calibrated and measured on")
    net, card = checkpoint.load(folder)
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
        losses = measure_losses(plain, after=OnnxRuntime(weights, card), faces=measured)
        check_losses(losses)
        worst = max(losses, key=lambda loss: loss.lost)
        about |= {"measured_on": len(measured), "largest_loss": round(worst.lost, 4)}
    return cards.write_pair(
        out,
        card=replace(card, metrics={**card.metrics, "export": about}),
        weights=weights,
        weights_file=cards.ONNX_FILE,
    )


def check_losses(losses: list[Loss]) -> None:
    """Print what int8 does to each group. Raises ExportRefused where it loses more than it may."""
    for loss in losses:
        print(
            f"{loss.attribute:6} {loss.group:16} {loss.images:6} images  "
            f"float32 {loss.before:.2%}  int8 {loss.after:.2%}  {-loss.lost * 100:+.2f} points"
        )
    for name in labels.RACE:
        if not any(loss.group == name for loss in losses):
            print(f"no images of {name}: what int8 does to them is not known")
    bad = [loss for loss in losses if loss.lost > INT8_LARGEST_LOSS]
    if bad:
        told = ", ".join(f"{loss.attribute} of {loss.group} {loss.lost * 100:.2f}" for loss in bad)
        raise ExportRefused(f"int8 loses more than {INT8_LARGEST_LOSS * 100} points: {told}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.export",
        description="Export a checkpoint to ONNX, compared with torch before it is kept.",
    )
    parser.add_argument("--model", type=Path, default=cards.DEFAULT_DIR, help="folder of the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder for the exported model and its card")
    parser.add_argument("--int8", action="store_true", help="8-bit weights and activations, if no group loses by it")
    parser.add_argument("--data", type=Path, help="folder of FairFace's zips and label files: compare on real chips")
    parser.add_argument("--shard", default="val.zip", help="zip to compare on")
    parser.add_argument("--labels", default=fairface.VAL_CSV, help="its label file")
    parser.add_argument("--limit", type=int, help="use only so many images")
    args = parser.parse_args(argv)
    if args.int8 and args.data is None:
        parser.error("--int8 needs --data: labelled chips to calibrate and measure on")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is not a folder")
    if (args.out / cards.WEIGHTS_FILE).exists():
        parser.error(f"--out {args.out} holds a checkpoint whose card this would replace")
    try:
        faces = None
        if args.data is not None:
            size = cards.read_card(args.model).preset.size
            faces = fairface.read_fairface(
                args.data, shards=[args.shard], label_file=args.labels, size=size, limit=args.limit
            )
        card = export(args.model, out=args.out, faces=faces, int8=args.int8)
    except cards.CheckpointError as error:
        print(f"{error} ({error.code})", file=sys.stderr)
        return 1
    except ExportRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except data.BadData as error:
        print(f"--data: {error}", file=sys.stderr)
        return 1
    print(f"{card.name} {card.sha256[:12]} written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
