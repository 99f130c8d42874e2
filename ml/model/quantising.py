"""An exported graph with weights and activations of 8 bits."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ml.model.card import ModelCard
from ml.model.runtime import BATCH, ONNX_INPUT, as_onnx_input


def quantise(weights: bytes, *, chips: np.ndarray, card: ModelCard) -> bytes:
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
        with _quiet_about_vectors():
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


@contextmanager
def _quiet_about_vectors() -> Iterator[None]:
    """Without ONNX Runtime's warning for each vector that it asks for an axis of, and takes as a whole as it should."""
    root, told = logging.getLogger(), lambda record: "is out-of-range for weight" not in record.getMessage()
    root.addFilter(told)
    try:
        yield
    finally:
        root.removeFilter(told)
