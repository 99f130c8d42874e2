import pytest
import torch

from ml.precision import has_fast_bfloat16


@pytest.mark.parametrize("instructions", [True, False])
def test_bfloat16_is_fast_on_gpus_and_on_cpus_with_instructions_for_it(monkeypatch, instructions):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    assert has_fast_bfloat16(torch.device("cpu")) == instructions
    assert has_fast_bfloat16(torch.device("cuda:1"))
    assert not has_fast_bfloat16(torch.device("mps"))
