"""The ways to run a checkpoint; for now torch, on CPU or CUDA."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ml import checkpoint, metrics, network
from ml.card import DEFAULT_DIR, ModelCard
from ml.preprocess import to_input

BATCH = 64


class TorchRuntime:
    """A checkpoint ready to run: folded, channels last, in the precision that suits the device."""

    def __init__(self, net: network.AttributeNet, card: ModelCard, *, device: str = "cpu") -> None:
        self.card, self.device = card, torch.device(device)
        folded = network.fold_norms(net.eval()).requires_grad_(False)
        self._net = folded.to(self.device).to(memory_format=torch.channels_last)
        self._batch = BATCH
        # bfloat16 is emulated, and slower than float32, on CPUs without instructions for it.
        self._half = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()

    @classmethod
    def load(cls, folder: Path = DEFAULT_DIR, *, device: str = "cpu") -> "TorchRuntime":
        """Raises what `checkpoint.load` raises."""
        net, card = checkpoint.load(folder)
        return cls(net, card, device=device)

    def logits(self, chips: np.ndarray, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        """Logits (N, labels) per asked attribute (None: all) of chips (N, S, S, 3) uint8: the mean over both flips."""
        wanted = [name for name in self.card.labels if attributes is None or name in attributes]
        if not wanted or not len(chips):
            return {name: np.zeros((len(chips), len(self.card.labels[name])), np.float32) for name in wanted}
        parts: list[dict[str, Tensor]] = []
        begin = 0
        while begin < len(chips):
            try:
                parts.append(self._run(chips[begin : begin + self._batch], attributes=frozenset(wanted)))
            except torch.cuda.OutOfMemoryError:
                if self._batch == 1:
                    raise
                self._batch //= 2  # stays so: the memory is somebody else's now
                torch.cuda.empty_cache()
                continue
            begin += len(parts[-1][wanted[0]])
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in wanted}

    def probabilities(self, chips: np.ndarray, *, attributes: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        """Calibrated probabilities (N, labels), float64 rows that sum to 1."""
        return {
            name: metrics.softmax(values.astype(np.float64) / self.card.temperatures.get(name, 1.0))
            for name, values in self.logits(chips, attributes=attributes).items()
        }

    @torch.inference_mode()
    def _run(self, chips: np.ndarray, *, attributes: frozenset[str]) -> dict[str, Tensor]:
        x = torch.from_numpy(chips).to(self.device).permute(0, 3, 1, 2)
        x = to_input(x, preset=self.card.preset).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half):
            straight = self._net(x, attributes=attributes)
            mirrored = self._net(x.flip(3), attributes=attributes)
        return {name: ((values + mirrored[name]).float() / 2).cpu() for name, values in straight.items()}
