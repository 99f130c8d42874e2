"""JPEGs that lack nothing but their end marker, as some cameras and broken-off downloads leave them."""

import io
import re

from PIL import Image

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart
BARE = (0x01, 0xD8)  # markers without a length
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; of the others a decoder makes up what lacks
SCAN, END = 0xDA, 0xD9
END_MARKER = b"\xff\xd9"
COEFFICIENTS = 64
MAX_PADDING = 32  # zeros at the end of a file; a photo's last pixels are fewer

MAX_UNIT_BYTES = 2560  # of the ten blocks that are coded together, at 32 bits a coefficient

# What might have followed. A decoder reads zeros where a file ends, and some ones mean the same in its codes; so these
# are several, and each goes on after every restart that might be due.
CONTINUATIONS = tuple(
    b"".join(filling * MAX_UNIT_BYTES + bytes((0xFF, 0xD0 + number)) for number in range(8)) + filling * MAX_UNIT_BYTES
    for filling in (b"\xaa", b"\xd6", b"\x6d", b"\xfb")
)


def read_unended(content: bytes) -> Image.Image | None:
    """The loaded picture of a JPEG that has no end marker but all its pixels; None where some lack.

    They are all there when each scan has begun, and no pixel depends on what would follow. Raises what Pillow raises.
    """
    if not _lacks_only_its_end(content):
        return None
    body = content.rstrip(b"\0")
    if len(content) - len(body) < MAX_PADDING:
        body = content
    body = body.rstrip(b"\xff")  # half of the end marker
    image = _load(body + END_MARKER)
    others = (_load(body + following + END_MARKER) for following in CONTINUATIONS)
    return image if all(_look_the_same(image, other) for other in others) else None


def _lacks_only_its_end(content: bytes) -> bool:
    """Whether there is no end marker, and a scan for each bit of each coefficient of each component."""
    missing_bits: dict[int, list[int]] = {}
    at = 2
    while found := MARKER.search(content, at):
        marker, at = content[found.end() - 1], found.end()
        if marker == END:
            return False
        if marker in BARE:
            continue
        segment = content[at + 2 : at + max(int.from_bytes(content[at : at + 2]), 2)]
        at += 2 + len(segment)
        if marker in FRAMES:
            missing_bits = {segment[place]: [1] * COEFFICIENTS for place in range(6, 6 + 3 * segment[5], 3)}
        elif marker == SCAN:
            first, last, bits = segment[-3:]
            for place in range(1, 1 + 2 * segment[0], 2):
                missing_bits[segment[place]][first : last + 1] = [bits & 15] * (last + 1 - first)
    return bool(missing_bits) and not any(any(bits) for bits in missing_bits.values())


def _load(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=("JPEG",))
    image.load()
    return image


def _look_the_same(one: Image.Image, other: Image.Image) -> bool:
    """Strip by strip, since a third and a fourth copy of a large picture may be more than there is memory for."""
    width, height = one.size
    rows = max(1, 1_000_000 // width)
    strips = ((0, top, width, min(top + rows, height)) for top in range(0, height, rows))
    return all(one.crop(strip).tobytes() == other.crop(strip).tobytes() for strip in strips)
