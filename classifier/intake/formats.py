"""The list of formats in words for people, and the sentences for files that are refused.

Loads nothing, so that the web process can look at a file without a single decoder.
"""

from ml import heic, photo_formats

SIGNATURE_BYTES = photo_formats.SIGNATURE_BYTES  # how much of a file `recognise_format` wants to see

_NAMES = ("JPEG", "PNG", "WebP", "GIF", "BMP", "AVIF", *(("HEIC",) if heic.IS_READ else ()))
FORMATS = f"{', '.join(_NAMES[:-1])} and {_NAMES[-1]}"  # in words for people
# What a browser offers to choose. A phone that keeps photos as HEIC sends JPEG where that is not among it.
ACCEPTED = "image/*,.heic,.heif,.avif" if heic.IS_READ else ",".join(f"image/{name.lower()}" for name in _NAMES)

_VIDEO_BRANDS = (b"qt  ", b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp4", b"avc1", b"M4V", b"3gp", b"3g2")

# What people send by mistake: how it begins -> what is wrong with it, and its name.
_OTHER_FILES = (
    (b"PK\x03\x04", "archive", "zip"),
    (b"PK\x05\x06", "archive", "zip"),
    (b"Rar!\x1a\x07", "archive", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "archive", "7z"),
    (b"\x1f\x8b", "archive", "gzip"),
    (b"%PDF-", "document", "PDF"),
    (b"\xd0\xcf\x11\xe0", "document", "Office"),
    (b"\x1aE\xdf\xa3", "video", "WebM or Matroska"),
    (b"II*\x00", "other_picture", "TIFF or raw"),
    (b"MM\x00*", "other_picture", "TIFF or raw"),
    (b"8BPS", "other_picture", "Photoshop"),
)

_NONE_OF_THESE = f"Facet reads {FORMATS}; this file is none of these"
# What is wrong -> the outcome it counts as, and what to tell people.
_REASONS = {
    "empty": ("empty", "This file is empty. Look at it where it is kept and send it again."),
    "too_large": ("too_large", "This file is larger than {megabytes:g} MB. Save the photo smaller and send it again."),
    "too_many_pixels": (
        "too_many_pixels",
        "This picture has more than the {megapixels:g} megapixels that Facet reads, the frames of an animation "
        "taken together. Save it smaller and send it again.",
    ),
    "too_much_memory": (
        "too_many_pixels",
        "Reading this picture takes more memory than Facet allows. Save it smaller and send it again.",
    ),
    "unsupported": ("unsupported", f"{_NONE_OF_THESE}. If it is a photo, save it as JPEG and send that."),
    "archive": (
        "unsupported",
        f"{_NONE_OF_THESE} but an archive ({{kind}}). Unpack it and send the photos, or the folder that holds them.",
    ),
    "document": (
        "unsupported",
        f"{_NONE_OF_THESE} but a document ({{kind}}). Save the pictures in it as files of their own and send those.",
    ),
    "video": ("unsupported", f"{_NONE_OF_THESE} but a video ({{kind}}). Save frames of it as pictures and send those."),
    "other_picture": (
        "unsupported",
        f"{_NONE_OF_THESE} but a picture of another kind ({{kind}}). Save the photo as JPEG and send that.",
    ),
    "no_heic": (
        "unsupported",
        f"This is a HEIC photo, and this site was set up without HEIC; it reads {FORMATS}. "
        "Save the photo as JPEG and send that.",
    ),
    "too_many_parts": (
        "unsupported",
        "This file is put together in a way that takes very long to read ({what}; Facet reads up to {most:,}). "
        "Save the photo anew as JPEG and send that.",
    ),
    "damaged": (
        "damaged",
        "This file breaks off or is damaged, so its picture cannot be read. Send another copy of it.",
    ),
    "misplaced": (
        "unsupported",
        "This file came in the field “{field}”. Facet takes photos from the field “images”: send it again there.",
    ),
    "too_slow": (
        "damaged",
        "Reading this picture took longer than {seconds:g} s, so Facet gave up. Save it anew and send that.",
    ),
    "request_used_up": (
        "not_read",
        "Not read: the other files of this upload took all the time that one upload may. Send this file again.",
    ),
    "person_used_up": (
        "not_read",
        "Not read: your photos took all the time that reading them may take for now. "
        "Send this file again in {minutes:g} min.",
    ),
}

# Why the reader cannot read a file -> the reason above that says so. The pool hands over open files: none is missing.
_REFUSALS = {
    "empty": "empty",
    "format": "unsupported",
    "no_heic": "no_heic",
    "too_large": "too_many_pixels",
    "memory": "too_much_memory",
    "truncated": "damaged",
    "damaged": "damaged",
    "access": "damaged",
}


class BadImage(Exception):
    """A file that is refused: `code` is its outcome in `UploadItem`, `message` the sentence for its sender.

    `reason` is one of the keys above; `values` fill its sentence.
    """

    def __init__(self, reason: str, **values: float | str) -> None:
        self.reason = reason
        self.values = values
        self.code, sentence = _REASONS[reason]
        self.message = sentence.format(**values)
        super().__init__(self.message)


def recognise_format(head: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that a file beginning with `head` may have.

    Raises BadImage with what the file is instead, as far as its first bytes tell that, else "unsupported"; "no_heic"
    for HEIC where that is not read.
    """
    try:
        return photo_formats.recognise_format(head)
    except photo_formats.UnreadablePhoto as error:
        if error.reason == "format":
            raise _name_other(head) from error
        raise explain_refusal(error) from error


def explain_refusal(unreadable: photo_formats.UnreadablePhoto, **values: float | str) -> BadImage:
    """What the reader of photos refuses, in the words of the site; `values` fill its sentence where it has places."""
    return BadImage(_REFUSALS[unreadable.reason], **values)


def _name_other(head: bytes) -> BadImage:
    """What a file is that is none of the formats, as far as its first bytes tell."""
    for beginning, reason, kind in _OTHER_FILES:
        if head.startswith(beginning):
            return BadImage(reason, kind=kind)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return BadImage("video", kind="AVI")
    if head[4:8] == b"ftyp" and head[8:12].startswith(_VIDEO_BRANDS):
        return BadImage("video", kind="MP4 or MOV")
    return BadImage("unsupported")
