"""Export a checkpoint to ONNX: python -m ml.export --model DIR --out DIR [--data PLACE] [--int8]

The graph takes batches of any size. Its answers are compared with the network's, on real chips where --data names some
(as for ml.evaluate), before it is kept. --int8 makes weights and activations 8 bits wide, and is refused where that
costs any group of people more than half a point. The export is another version, called NAME-onnx or NAME-int8 unless
--name says otherwise. Exits with 1 when the export is refused.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml import measured as measured_
from ml.commands import say, tell_aside, told_errors, writable_folder
from ml.datasets import face_set, held_out, sources
from ml.measuring import int8_losses
from ml.measuring.predictions import predict_faces
from ml.model import card as cards
from ml.model import checkpoint, evidence, joint, network, quantising
from ml.model.runtime import BATCH, ONNX_INPUT, OnnxRuntime
from ml.preprocess import to_input

# The largest difference between torch's and ONNX Runtime's logits, both float32. Rounding in another order makes about
# 1e-5; a millionth of it would matter to nobody, a wrong graph is off by far more.
LOGIT_TOLERANCE = 1e-3
GENERATED_CHIPS = 64
COMPARED_CHIPS = 256


class CannotExport(cards.CheckpointError):
    """A checkpoint that answers here but cannot be written as a graph."""

    code = "no_export"


class _Vectors(nn.Module):
    """The network as a graph wants it: one input, and the attributes' logits in a fixed order.

    Of joined ones they are those over both flips, as far as each sees both; a single one is asked twice.
    """

    def __init__(self, net: network.FaceNet, names: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.names = net, names

    def forward(self, chips: Tensor) -> tuple[Tensor, ...]:
        found = self.net.look(chips) if isinstance(self.net, joint.JointNet) else self.net(chips)
        return tuple(found[name] for name in self.names)


def to_onnx(net: network.FaceNet, *, card: cards.ModelCard) -> bytes:
    """The network with folded normalisations as one ONNX file in float32, for batches of any size.

    Raises MissingRuntime without the packages it takes, and CannotExport for what torch's exporter cannot write down.
    """
    try:
        import onnxscript  # noqa: F401 # torch's exporter needs it and onnx
    except ImportError as error:
        raise cards.MissingRuntime("exporting needs onnx and onnxscript: pip install onnx onnxscript") from error
    names = tuple(card.labels)
    graph = _Vectors(network.fold_norms(net).requires_grad_(False), names).eval()
    # Two chips: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, card.preset.size, card.preset.size)
    try:
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
    except Exception as error:  # torch's, and whatever a network's own code raises while it is traced
        raise CannotExport(f"{_tell_what_fails(net, card=card)} cannot be exported: {_first_line(error)}") from error
    if program is None:
        raise RuntimeError("torch exported nothing")
    content: bytes = program.model_proto.SerializeToString()
    return content


def _tell_what_fails(net: network.FaceNet, *, card: cards.ModelCard) -> str:
    """The name of what cannot be exported: of joined networks the first that cannot be exported alone."""
    if isinstance(net, joint.JointNet):
        for one, member in zip(net.nets, card.members, strict=True):
            try:
                to_onnx(one, card=replace(card, name=member.name, preset=member.preset, members=()))
            except CannotExport:
                return f"{member.name}, a member of {card.name},"
    return card.name


def _first_line(error: Exception) -> str:
    """What the error says first; torch's exporter goes on with advice over many lines."""
    lines = [line.strip() for line in str(error.__cause__ or error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@torch.inference_mode()
def largest_difference(net: network.FaceNet, *, runtime: OnnxRuntime, chips: np.ndarray) -> float:
    """The largest difference of a logit, over chips (N, S, S, 3) in full batches and one alone, both flips' mean."""
    largest = 0.0
    for part in (chips, chips[:1]):
        found = runtime.logits(part)
        for begin in range(0, len(part), BATCH):
            batch = torch.from_numpy(part[begin : begin + BATCH]).permute(0, 3, 1, 2)
            x = to_input(batch, preset=runtime.card.preset)
            for name, expected in net.look(x).items():
                off = np.abs(expected.numpy() - found[name][begin : begin + BATCH]).max()
                largest = max(largest, float("inf") if np.isnan(off) else float(off))
    return largest


def generate_chips(size: int) -> np.ndarray:
    """Chips (N, S, S, 3) of coloured noise, coarse to fine, where there are no real ones to compare on."""
    rng = np.random.default_rng(1)
    chips = np.zeros((GENERATED_CHIPS, size, size, 3))
    for cells in (2, 8, 32):
        noise = rng.uniform(0, 255 / 3, (GENERATED_CHIPS, cells, cells, 3))
        where = np.arange(size) * cells // size
        chips += noise[:, where][:, :, where]
    return chips.round().astype(np.uint8)


def export(
    folder: Path, *, out: Path, faces: face_set.FaceSet | None, int8: bool, name: str | None = None
) -> cards.ModelCard:
    """Export a checkpoint, compare it, and only then write it with its card. Returns the card.

    What the checkpoint knows of its errors goes along, still under the name of the version that was asked.

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
        raise int8_losses.ExportRefused(
            f"ONNX Runtime differs from torch by {difference:.2e}, more than {LOGIT_TOLERANCE}"
        )
    about: dict[str, Any] = {
        measured_.OF: measured_.THIS,
        "exported_from": card.sha256,
        "precision": "int8" if int8 else "float32",
        "largest_difference": float(f"{difference:.3g}"),
        "compared_on": f"{len(chips)} {kind} chips",
    }
    if int8 and faces is not None:
        calibration, measured = int8_losses.split_faces(faces)
        weights = quantising.quantise(weights, chips=calibration, card=card)
        small = predict_faces(OnnxRuntime(weights, card), measured)
        losses = int8_losses.measure_losses(predict_faces(plain, measured), after=small, faces=measured)
        int8_losses.tell_losses(losses, faces=measured)
        int8_losses.check_losses(losses)
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
        evidence=evidence.read_bytes(folder, card=card) if card.evidence else None,
    )


def read_faces(args: argparse.Namespace) -> face_set.FaceSet | None:
    """The chips that the options name; int8 is not measured on images that the checkpoint was trained on."""
    if args.data is None:
        return None
    card = cards.read_card(args.model, own_labels=True)
    faces = sources.read_source(sources.from_arguments(args), preset=card.preset)
    if args.int8:
        faces = held_out.leave_out_taught(faces, cards=[card])
        faces = held_out.leave_out_seen(faces, cards=[card], place=args.data)
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
        except int8_losses.ExportRefused as error:
            tell_aside(f"refused: {error}")
            return 1
    say(f"{card.name} {card.sha256[:12]} written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
