"""How much a decoder has to do for the AV1 data of one picture, told by its headers alone.

After sections 5.3 to 5.5 of the AV1 Bitstream & Decoding Process Specification. Knows nothing of Django.
"""

from collections.abc import Iterator

SEQUENCE_HEADER, FRAME_HEADER, FRAME = 1, 3, 6  # kinds of units
HEADER_BYTES = 64  # a sequence header as used here is shorter


class Bits:
    """Numbers from the front of bytes; zeros behind their end."""

    def __init__(self, content: bytes) -> None:
        self._rest = int.from_bytes(content)
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            return 0
        return (self._rest >> self._left) & ((1 << count) - 1)


def count_pixels(data: memoryview) -> int:
    """Pixels of all frames that are coded in `data`, each as large as the largest that is announced."""
    largest = frames = 0
    for kind, content in read_units(data):
        if kind == SEQUENCE_HEADER:
            largest = max(largest, read_frame_size(bytes(content[:HEADER_BYTES])))
        frames += kind in (FRAME_HEADER, FRAME)
    return largest * max(frames, 1)


def read_units(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of each unit; what breaks off ends them."""
    at = 0
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        end = len(data)
        if head & 2:
            size = shift = 0
            while at < len(data) and shift < 56:
                size |= (data[at] & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if not data[at - 1] & 0x80:
                    break
            end = min(at + size, len(data))
        yield (head >> 3) & 15, data[at:end]
        at = end


def read_frame_size(header: bytes) -> int:
    """Width x height of the largest frame, from the content of a sequence header."""
    bits = Bits(header)
    bits.take(4)  # profile, still picture
    if bits.take(1):  # the reduced header of a still picture
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return (bits.take(width_bits) + 1) * (bits.take(height_bits) + 1)


def _skip_operating_points(bits: Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while zeros < 32 and not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):  # decoder model
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:  # levels that come in two tiers
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delays and bits.take(1):
            bits.take(4)
