"""The one door from the site to the model. Importing this module is light; the first call loads torch."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from ml.pipeline import FacePipeline, PhotoRequest, PhotoResult


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
