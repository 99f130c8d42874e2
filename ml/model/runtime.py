"""The ways to run a checkpoint: torch on CPU or CUDA, and an exported one by ONNX Runtime on the CPU."""

import copy
from abc import ABC, abstractmethod
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml import metrics
from ml.model import checkpoint, close_calls, fusing, gradients, network
from ml.model.card import (
    DEFAULT_DIR,
    ONNX_FILE,
    WEIGHTS_FILE,
    DamagedCheckpoint,
    FixedPrecision,
    MissingCheckpoint,
    MissingRuntime,
    ModelCard,
    OtherFormat,
    find_weights,
    read_pair,
)
from ml.model.heat_map import Explanation
from ml.model.precision import choose_precision, exact_float32
from ml.preprocess import to_input

Chips = np.ndarray | Tensor

BATCH, GPU_BATCH = 32, 256  # chips at once: what stays in a CPU's cache, what keeps a GPU busy
# Where two answers differ by less in their calibrated log odds (one is at most 5 % likelier), bfloat16 may swap them:
# a face ResNet-29's noise moved none of 2,500 validation faces that were further apart than 0.035.
CLOSE_CALL = 0.05
# The same of the threshold from which an answer is sure, at which less is lost. With both 12.4 % of those faces are
# asked again in float32, and of 4 of them a label of any taxonomy or "unsure" differs from float32's; of likeliest
# labels in the finest taxonomy alone they were 5.7 %, and 39 differed. EfficientNet-Lite0 is noisier, so of facet-4's
# 2,493 held-out faces 13.4 % are asked again, and of 38 something differs, but the likeliest label in the finest
# taxonomy of 2 (race), 3 (gender) and 2 (age) only. Twice these bounds would ask a quarter again, and leave 18.
TURNING_CALL = 0.03
RUNTIMES = ("torch", "onnx")
# The exported graph's only input: normalised chips (B, 3, S, S) float32. Its outputs are named like the attributes.
ONNX_INPUT = "chips"


class Runtime(ABC):
    """A checkpoint ready to classify chips."""

    card: ModelCard
    device: torch.device
    precision: str  # of its convolutions, as torch names it

    @abstractmethod
    def logits(self, chips: Chips, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        """Logits (N, labels) per asked attribute (None: all) of chips (N, S, S, 3) uint8: the mean over both flips.

        Chips that are tensors may lie on any device.
        """

    def probabilities(self, chips: Chips, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        """Calibrated probabilities (N, labels), float64 rows that sum to 1."""
        return {
            name: metrics.softmax(values.astype(np.float64) / self.card.temperatures.get(name, 1.0))
            for name, values in self.logits(chips, attributes=attributes).items()
        }

    def features(self, chips: np.ndarray) -> np.ndarray:
        """What the heads look at (N, F), of chips (N, S, S, 3) uint8: the mean over both flips.

        Raises FixedPrecision where the runtime has only answers.
        """
        raise FixedPrecision(f"{self.card.name} is an exported model: it gives answers, and not what its heads look at")

    def explain(self, chip: np.ndarray, *, attribute: str, label: str | None = None, method: str) -> Explanation:
        """What in one chip (S, S, 3) uint8 mattered for a label (None: the most probable).

        Raises CannotExplain where the runtime has no gradients, and what `gradients.explain_chip` raises.
        """
        raise gradients.CannotExplain(
            f"{self.card.name} is an exported model: it answers, but it has no gradients that would tell what mattered"
        )

    def _wanted(self, attributes: frozenset[str] | None) -> list[str]:
        return [name for name in self.card.labels if attributes is None or name in attributes]

    def _nothing(self, wanted: list[str]) -> dict[str, np.ndarray]:
        return {name: np.zeros((0, len(self.card.labels[name])), np.float32) for name in wanted}


class TorchRuntime(Runtime):
    """A checkpoint in torch: folded, channels last, in the precision that suits the device."""

    def __init__(
        self, net: network.FaceNet, card: ModelCard, *, device: str = "cpu", precision: str | None = None
    ) -> None:
        """`precision` as `choose_precision` takes it."""
        self.card, self.device = card, torch.device(device)
        folded = network.fold_norms(net.eval()).requires_grad_(False)
        self._net = folded.to(self.device).to(memory_format=torch.channels_last)
        self._batch = BATCH if self.device.type == "cpu" else GPU_BATCH
        self.precision = choose_precision(precision, device=self.device)
        self._half = self.precision == "bfloat16"
        self._groupings = close_calls.list_groupings(card)
        self._fast_net = self._exact_net = self._net
        if fusing.can_fuse(self.device):
            self._exact_net = fusing.fuse_convolutions(self._net, dtype=torch.float)
            self._fast_net = (
                fusing.fuse_convolutions(self._net, dtype=torch.bfloat16) if self._half else self._exact_net
            )
        elif self._half and self.device.type == "cuda":
            # Autocast would do it at each call. Close calls and explanations need the weights as they are.
            self._fast_net = copy.deepcopy(self._net)
            for part in self._fast_net.parts():
                network.narrow_weights(part.trunk, dtype=torch.bfloat16)

    @classmethod
    def load(
        cls,
        folder: Path = DEFAULT_DIR,
        *,
        device: str = "cpu",
        own_labels: bool = False,
        precision: str | None = None,
    ) -> "TorchRuntime":
        """`own_labels` as in `card.read_card`. Raises what `checkpoint.load` raises."""
        if (folder / ONNX_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file():
            raise MissingCheckpoint(f"no {WEIGHTS_FILE} in {folder}; its exported model needs the runtime onnx")
        net, card = checkpoint.load(folder, own_labels=own_labels)
        return cls(net, card, device=device, precision=precision)

    def logits(self, chips: Chips, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        wanted = self._wanted(attributes)
        if not wanted or not len(chips):
            return self._nothing(wanted)
        parts: list[dict[str, Tensor]] = []
        begin = 0
        while begin < len(chips):
            try:
                parts.append(self._answer(chips[begin : begin + self._batch], attributes=frozenset(wanted)))
            except torch.cuda.OutOfMemoryError:
                if self._batch == 1:
                    raise
                self._batch //= 2  # stays so: the memory is somebody else's now
                torch.cuda.empty_cache()
                continue
            begin += len(parts[-1][wanted[0]])
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in wanted}

    @torch.inference_mode()
    def features(self, chips: np.ndarray) -> np.ndarray:
        parts = []
        for begin in range(0, len(chips), self._batch):
            x = torch.as_tensor(chips[begin : begin + self._batch]).to(self.device).permute(0, 3, 1, 2)
            x = to_input(x, preset=self.card.preset).contiguous(memory_format=torch.channels_last)
            with exact_float32():
                parts.append(self._net.features(x).cpu())
        return torch.cat(parts).numpy()

    def explain(self, chip: np.ndarray, *, attribute: str, label: str | None = None, method: str) -> Explanation:
        return gradients.explain_chip(
            self._net, self.card, chip, attribute=attribute, label=label, method=method, half=self._half
        )

    @torch.inference_mode()
    def _answer(self, chips: Chips, *, attributes: frozenset[str]) -> dict[str, Tensor]:
        """Logits of a batch, close calls in bfloat16 settled in float32."""
        found = self._run(chips, attributes=attributes, half=self._half)
        if self._half:
            close = close_calls.find_close(
                found, card=self.card, groupings=self._groupings, tied=CLOSE_CALL, turning=TURNING_CALL
            )
            rows = torch.nonzero(close).flatten()
            if len(rows):
                exact = self._run(chips[rows.numpy()], attributes=attributes, half=False)
                for name, values in found.items():
                    values[rows] = exact[name]
        return found

    def _run(self, chips: Chips, *, attributes: frozenset[str], half: bool) -> dict[str, Tensor]:
        x = torch.as_tensor(chips).to(self.device).permute(0, 3, 1, 2)
        x = to_input(x, preset=self.card.preset).contiguous(memory_format=torch.channels_last)
        net = self._fast_net if half else self._exact_net
        exact = nullcontext() if half else exact_float32()
        with exact, torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=half):
            found = net.look(x, attributes=attributes, together=self.device.type == "cuda")
        return {name: values.float().cpu() for name, values in found.items()}


class OnnxRuntime(Runtime):
    """A checkpoint that `ml.export` wrote, run by ONNX Runtime on the CPU with as many threads as torch has."""

    def __init__(self, weights: bytes, card: ModelCard) -> None:
        """Raises MissingRuntime, DamagedCheckpoint for bytes that are no graph, and OtherFormat for another graph."""
        try:
            import onnxruntime  # optional: torch runs every checkpoint without it
        except ImportError as error:
            raise MissingRuntime("ONNX Runtime is not installed: pip install onnxruntime") from error
        self.card, self.device, self.precision = card, torch.device("cpu"), "float32"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors; they are raised anyway
        try:
            self._session: Any = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a dozen, and no base class of them
            raise DamagedCheckpoint(f"{card.name}: ONNX Runtime cannot read the exported model: {error}") from error
        self._check_graph()

    @classmethod
    def load(cls, folder: Path = DEFAULT_DIR, *, own_labels: bool = False) -> "OnnxRuntime":
        """`own_labels` as in `card.read_card`. Raises what `card.read_pair` and the constructor raise."""
        if (folder / WEIGHTS_FILE).is_file() and not (folder / ONNX_FILE).is_file():
            raise MissingCheckpoint(f"no {ONNX_FILE} in {folder}; python -m ml.export makes one from {WEIGHTS_FILE}")
        card, weights = read_pair(folder, weights_file=ONNX_FILE, own_labels=own_labels)
        return cls(weights, card)

    def logits(self, chips: Chips, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        wanted = self._wanted(attributes)
        if not wanted or not len(chips):
            return self._nothing(wanted)
        chips = chips.cpu().numpy() if isinstance(chips, Tensor) else chips
        parts = [self._run(chips[begin : begin + BATCH], wanted=wanted) for begin in range(0, len(chips), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in wanted}

    def _run(self, chips: np.ndarray, *, wanted: list[str]) -> dict[str, np.ndarray]:
        x = as_onnx_input(chips, card=self.card)
        if self.card.members:  # they do not all see both flips, so their graph turns the chips itself
            return dict(zip(wanted, self._session.run(wanted, {ONNX_INPUT: x}), strict=True))
        straight = self._session.run(wanted, {ONNX_INPUT: x})
        mirrored = self._session.run(wanted, {ONNX_INPUT: np.ascontiguousarray(x[..., ::-1])})
        return {name: (a + b) / 2 for name, a, b in zip(wanted, straight, mirrored, strict=True)}

    def _check_graph(self) -> None:
        """The graph takes chips of the card's size in batches of any size and gives a vector per attribute."""
        size = self.card.preset.size
        inputs = {
            found.name: found.shape[1:] for found in self._session.get_inputs() if isinstance(found.shape[0], str)
        }
        outputs = {found.name: found.shape[1:] for found in self._session.get_outputs()}
        expected = {name: [len(values)] for name, values in self.card.labels.items()}
        if inputs != {ONNX_INPUT: [3, size, size]} or outputs != expected:
            raise OtherFormat(
                f"{self.card.name}: the exported model takes {inputs} and gives {outputs}, not {expected}"
            )


def as_onnx_input(chips: np.ndarray, *, card: ModelCard) -> np.ndarray:
    """Chips (N, S, S, 3) uint8 as the exported graph takes them: (N, 3, S, S) float32."""
    return to_input(torch.from_numpy(chips).permute(0, 3, 1, 2), preset=card.preset).contiguous().numpy()


def load_runtime(
    folder: Path = DEFAULT_DIR,
    *,
    runtime: str | None = None,
    device: str = "cpu",
    own_labels: bool = False,
    precision: str | None = None,
) -> Runtime:
    """A checkpoint in the named runtime; None is torch, unless the folder holds only an exported model.

    `own_labels` as in `card.read_card`, `precision` as torch's runtime has it. ONNX Runtime stays on the CPU, whatever
    the device, and in its graph's precision. Raises ValueError for a name not in RUNTIMES, FixedPrecision where one is
    asked of ONNX Runtime, and what the runtimes' `load` raises.
    """
    if runtime is None:
        runtime = "onnx" if find_weights(folder) == ONNX_FILE else "torch"
    if runtime == "onnx":
        if precision is not None:
            raise FixedPrecision(
                f"ONNX Runtime runs {folder} as it was exported: a precision can be asked only of torch"
            )
        return OnnxRuntime.load(folder, own_labels=own_labels)
    if runtime == "torch":
        return TorchRuntime.load(folder, device=device, own_labels=own_labels, precision=precision)
    raise ValueError(f"no runtime called {runtime!r}; known: {', '.join(RUNTIMES)}")
