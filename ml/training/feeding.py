"""From a set of faces in memory to batches: the order of an epoch can be repeated, and is shared by processes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Sampler

from ml.datasets.face_set import FaceSet
from ml.preprocess import Preset, to_input

_ROOM = 0.4  # of a GPU's free memory, which a set may take; the network and its activations need the rest
EXACT = "exact years"  # beside the attributes' targets: ages (B,) as numbers, nan where unknown
Batch = tuple[Tensor, dict[str, Tensor]]  # chips (B, 3, S, S) uint8, and per attribute class positions (B,)


def as_batch(chips: np.ndarray) -> Tensor:
    """(B, S, S, 3) uint8 as a tensor (B, 3, S, S) whose memory is already channels last."""
    return torch.from_numpy(chips).permute(0, 3, 1, 2)


def as_input(chips: Tensor, *, preset: Preset, size: int) -> Tensor:
    """What a network is given: chips (B, 3, S, S) in 0..255 brought to (size, size) and normalised."""
    if chips.shape[2] != size:
        chips = functional.interpolate(chips.float(), size=[size, size], mode="bilinear", antialias=True)
    return to_input(chips, preset=preset).contiguous(memory_format=torch.channels_last)


class FaceBatches(Dataset[Batch]):
    """Batches of a set by the positions of their examples, on the host or on an accelerator that holds all of it."""

    def __init__(self, faces: FaceSet, *, device: torch.device) -> None:
        self._images = torch.from_numpy(faces.images).to(device)
        self._targets = {name: torch.from_numpy(values).to(device) for name, values in faces.targets.items()}
        if faces.years is not None:
            self._targets[EXACT] = torch.from_numpy(faces.years).float().to(device)
        self._device = device

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, picks: list[int]) -> Batch:
        rows = torch.tensor(picks).to(self._device, non_blocking=True)
        chips = self._images[rows].permute(0, 3, 1, 2)  # whose memory is already channels last
        return chips, {name: values[rows] for name, values in self._targets.items()}


@dataclass
class ShuffledOrder(Sampler[list[int]]):
    """Whole batches in a random order that only seed and epoch decide; each process gets its share of every batch.

    Each batch comes in so many `pieces`, no more than it has examples, so that a step has the same examples however
    little memory there is. With `chances` (N,) examples are drawn by these instead of each once.
    """

    count: int
    batch_size: int
    seed: int
    rank: int = 0
    processes: int = 1
    pieces: int = 1
    epoch: int = 0
    chances: np.ndarray | None = None

    def set_epoch(self, epoch: int) -> None:
        """Lightning tells the epoch before it begins, also after a resume."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.pieces * self._batches

    @property
    def _batches(self) -> int:
        return max(1, self.count // (self.batch_size * self.processes))

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.chances is None:
            order = rng.permutation(self.count)
        else:
            order = rng.choice(self.count, size=self.count, p=self.chances)
        mine = order[self.rank :: self.processes][: self.count // self.processes or None]
        size = min(self.batch_size, len(mine))
        for number in range(self._batches):
            batch = mine[number * size : (number + 1) * size]
            for piece in range(self.pieces):  # as processes share a batch: two pieces learn what two processes do
                yield np.sort(batch[piece :: self.pieces]).tolist()


@dataclass
class PlainOrder(Sampler[list[int]]):
    """All examples in their order, each by one process only."""

    count: int
    batch_size: int
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return len(range(0, max(0, self.count - self.rank), self.batch_size * self.processes))

    def __iter__(self) -> Iterator[list[int]]:
        mine = list(range(self.rank, self.count, self.processes))
        for begin in range(0, len(mine), self.batch_size):
            yield mine[begin : begin + self.batch_size]


def load_batches(
    faces: FaceSet, *, order: Sampler[list[int]], device: torch.device, keep: bool = False
) -> DataLoader[Batch]:
    """A loader that yields whole batches from memory; the images are never copied to other processes.

    With `keep` the set is copied once to a GPU at `device` that has room for it.
    """
    is_gpu = device.type == "cuda"
    is_there = keep and is_gpu and faces.images.nbytes < _ROOM * torch.cuda.mem_get_info(device)[0]
    dataset = FaceBatches(faces, device=device if is_there else torch.device("cpu"))
    return DataLoader(dataset, sampler=order, batch_size=None, num_workers=0, pin_memory=is_gpu and not is_there)
