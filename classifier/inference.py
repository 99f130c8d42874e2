"""The one door from the site to the model. Importing this module is light; the first call loads torch."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from ml.pipeline import FacePipeline, PhotoRequest, PhotoResult

    from classifier.models import Face


@lru_cache(maxsize=1)
def get_pipeline() -> "FacePipeline":
    """The pipeline of this process, loaded once. Call it after any fork, never before."""
    pipeline_class = import_string(settings.PIPELINE)
    return pipeline_class.load(
        settings.MODEL_DIR or None, device=settings.DEVICE or None, threads=settings.TORCH_THREADS or None
    )


def analyze(batch: "Sequence[PhotoRequest]") -> "list[PhotoResult]":
    """Faces and probabilities of each photo, in the order of the batch; a bad photo carries its error alone."""
    return get_pipeline().analyze(batch)


def build_request(content: bytes, *, faces: "Sequence[Face]", attributes: Iterable[str]) -> "PhotoRequest":
    """Ask for the faces in an encoded photo, or, where faces are known, for new words on the same crops."""
    from ml.pipeline import Chip, PhotoRequest

    chips = tuple(Chip(face.chip_cx, face.chip_cy, face.chip_side, face.chip_angle) for face in faces)
    return PhotoRequest(image=content, chips=chips or None, attributes=frozenset(attributes))
