"""Images for tests, made on the spot."""

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image

with suppress(ImportError):  # what writes HEIC is an extra
    import pillow_heif

    pillow_heif.register_heif_opener()


def picture(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """A smooth random picture without anybody on it; another seed, another picture."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpeg(width: int = 320, height: int = 240, *, seed: int = 0, **options: Any) -> bytes:
    return encode(picture(width, height, seed=seed), "JPEG", **options)


def animation(format: str, *, frames: int = 3, size: tuple[int, int] = (40, 30)) -> bytes:
    """Red, blue, green, and again."""
    first, *others = (Image.new("RGB", size, ("red", "blue", "green")[n % 3]) for n in range(frames))
    return encode(first, format, save_all=True, append_images=others, duration=100)


def png_bytes(width: int, height: int, *, depth: int = 8, data: bytes = b"") -> bytes:
    """A colour PNG made by hand, so that its header may claim what `data`, its packed rows, do not hold."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def astronaut() -> Image.Image:
    """A real photo with one face, from scikit-image."""
    from skimage import data

    return Image.fromarray(data.astronaut())


def crowd() -> Image.Image:
    """Astronauts of three sizes on a smooth ground, one of them turned."""
    photo = picture(1024, 700)
    one = astronaut()
    photo.paste(one.resize((400, 400)), (10, 20))
    photo.paste(one.rotate(20).resize((300, 300)), (450, 30))
    photo.paste(one.resize((200, 200)), (800, 400))
    return photo


def jpeg_of_many_scans(repeats: int, *, side: int = 7070) -> bytes:
    """A grey progressive JPEG, 207 kB at its usual side, whose last scan comes `repeats` times more."""
    content = encode(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * repeats + content[-2:]
