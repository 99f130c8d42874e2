"""In which precision networks compute, and which suits a device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("float32", "bfloat16")  # of torch; ONNX Runtime has what its graph was exported in


def choose_precision(asked: str | None, *, device: torch.device) -> str:
    """One of PRECISIONS as it was asked for; None is the one that suits the device. Raises ValueError for others."""
    if asked not in (None, *PRECISIONS):
        raise ValueError(f"no precision called {asked!r}; known: {', '.join(PRECISIONS)}")
    return asked or ("bfloat16" if has_fast_bfloat16(device) else "float32")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32; processors without instructions for it emulate it, and are slower.

    NVIDIA's have them from compute capability 8.0 on.
    """
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def exact_float32() -> Iterator[None]:
    """While inside, float32 is computed as such on a GPU too, where convolutions would otherwise round to TF32, which
    has the 10 bits of float16's fraction.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    products = matmul.allow_tf32
    kept: dict[str, bool | int] = {
        "enabled": cudnn.enabled,
        "benchmark": cudnn.benchmark,
        "deterministic": cudnn.deterministic,
    }
    if cudnn.benchmark_limit is not None:
        kept["benchmark_limit"] = cudnn.benchmark_limit
    with cudnn.flags(**kept, allow_tf32=False):
        matmul.allow_tf32 = False
        try:
            yield
        finally:
            matmul.allow_tf32 = products
