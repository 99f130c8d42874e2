"""Which precision suits a device."""

import torch


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32; CPUs without instructions for it emulate it, and are slower."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    return device.type == "cuda"
