"""Colour profiles: pictures in the wide colours of cameras and phones (AdobeRGB, ProPhoto, Display P3) as sRGB."""

import io

from PIL import Image, ImageCms

MAX_PROFILE_STEPS = 32  # of one transform in a colour profile; those in use have up to 6
MULTI_STEP = b"mpet"

# Image mode -> the colour space that a profile must have to be meant for it.
PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_SRGB = ImageCms.createProfile("sRGB")
# What Pillow and lcms raise on a profile that is not what it says.
_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError)


def convert_to_srgb(image: Image.Image, *, profile: bytes) -> Image.Image:
    """RGB from the colours of an ICC profile, empty where there is none.

    A profile of sRGB, or one that is broken or meant for something else, is left aside.
    """
    if profile:
        image = _apply_profile(image, profile=profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def count_profile_steps(profile: bytes) -> int:
    """The most steps that a transform of an ICC profile has; lcms works through each for 36,000 colours."""
    most = 0
    count = int.from_bytes(profile[128:132])
    for at in range(132, min(132 + 12 * count, len(profile)), 12):
        start = int.from_bytes(profile[at + 4 : at + 8])
        if profile[start : start + 4] == MULTI_STEP:
            most = max(most, int.from_bytes(profile[start + 12 : start + 16]))
    return most


def find_profile(profile: bytes, *, mode: str) -> ImageCms.ImageCmsProfile | None:
    """The profile that pictures of a mode are to be converted from; None where there is nothing to convert."""
    if not profile or count_profile_steps(profile) > MAX_PROFILE_STEPS:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        is_meant = source.profile.xcolor_space.strip() == PROFILE_SPACES[mode]
        if not is_meant or "sRGB" in ImageCms.getProfileDescription(source):  # most photos
            return None
    except _ERRORS:
        return None
    return source


def _apply_profile(image: Image.Image, *, profile: bytes) -> Image.Image:
    source = find_profile(profile, mode=image.mode)
    if source is None:
        return image
    try:
        converted = ImageCms.profileToProfile(
            image,
            source,
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except _ERRORS:
        return image
    if converted is None:
        return image
    converted.info = {}  # it is no longer in the colours of the profile
    return converted
