"""The one door from the site to the model. Importing this module is light; the first call loads torch."""

import io
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string
from PIL import Image

if TYPE_CHECKING:
    from classifier.models import Face
    from ml.pipeline import FacePipeline
    from ml.requests import PhotoRequest, PhotoResult

logger = logging.getLogger("facet.inference")

WARM_UP_SIZE = (640, 480)


class UnusableModel(Exception):
    """The model of the settings cannot be loaded; the message says why in a line."""


class CannotExplain(Exception):
    """The model answers but cannot be explained; `code` says why in one word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class HeatMap:
    """What in a face mattered, by one method: a PNG of the heat alone, over a square of `crop_side` photo pixels.

    `places` is how many places a side the map tells apart; `regions` are sums over parts of the face, as shares of 1 or
    (SHAP) in log-odds; the reference's probability is there for SHAP alone.
    """

    method: str
    png: bytes
    crop_side: float
    places: int
    probability: float
    reference_probability: float | None
    regions: dict[str, float]


@lru_cache(maxsize=1)
def get_pipeline() -> "FacePipeline":
    """The pipeline of this process, loaded once. Call it after any fork, never before. Raises UnusableModel."""
    from ml.model.card import CheckpointError

    try:
        pipeline_class = import_string(settings.PIPELINE)
    except ImportError as error:
        raise UnusableModel(f"FACET_PIPELINE is {settings.PIPELINE}: {error}") from error
    try:
        pipeline: FacePipeline = pipeline_class.load(
            Path(settings.MODEL_DIR) if settings.MODEL_DIR else None,
            device=settings.DEVICE or None,
            threads=settings.TORCH_THREADS or None,
            runtime=settings.RUNTIME or None,
        )
        return pipeline
    except CheckpointError as error:
        raise UnusableModel(str(error)) from error
    except (RuntimeError, AssertionError) as error:  # what torch raises where there is no such device
        raise UnusableModel(f"FACET_DEVICE is {settings.DEVICE or 'empty'}: {error}") from error


@dataclass(frozen=True)
class EvidenceFile:
    """How the loaded model errs: the file that lies with its checkpoint, and what the checkpoint's card tells of it."""

    about: dict[str, Any]
    content: bytes


def describe_model() -> dict[str, Any]:
    """Name, hash, card (as the values of its JSON) and evidence of the model that this process has loaded."""
    from ml.model.card import card_values

    card = get_pipeline().card
    told = card_values(card) | {"answers_sha256": card.answers_sha256}
    return {"name": card.name, "sha256": card.sha256, "card": told, "evidence": find_evidence()}


def find_evidence() -> EvidenceFile | None:
    """None where the checkpoint carries none, or one that cannot be used, which is logged."""
    from ml.model import evidence
    from ml.model.card import DEFAULT_DIR, CheckpointError
    from ml.shares.errors import NoEvidence

    card = get_pipeline().card
    try:
        content = evidence.read_bytes(Path(settings.MODEL_DIR) if settings.MODEL_DIR else DEFAULT_DIR, card=card)
    except NoEvidence:
        return None
    except CheckpointError as error:
        logger.warning("%s: reports tell counted labels until it is mended", error)
        return None
    return EvidenceFile(card.evidence, content)


def warm_up() -> None:
    """Run the pipeline once on a grey picture, so that the first photo does not wait for what torch prepares."""
    from ml.requests import Chip, PhotoRequest

    picture = io.BytesIO()
    Image.new("RGB", WARM_UP_SIZE, "grey").save(picture, "JPEG")
    chip = Chip(WARM_UP_SIZE[0] / 2, WARM_UP_SIZE[1] / 2, WARM_UP_SIZE[1] / 2, 0.0)
    analyze([PhotoRequest(picture.getvalue()), PhotoRequest(picture.getvalue(), chips=(chip,))])


def prepare_explanations() -> None:
    """Import what the first explanation would wait for by seconds; a thread may do it while photos are analysed."""
    runtime = getattr(get_pipeline(), "runtime", None)
    if runtime is None:
        return  # a stand-in, which has no network
    from ml.model.card import MissingRuntime
    from ml.model.gradients import load_captum
    from ml.model.runtime import TorchRuntime

    if isinstance(runtime, TorchRuntime):
        with suppress(MissingRuntime):  # the one method that needs it is left out of the answers
            load_captum()


def analyze(batch: "Sequence[PhotoRequest]") -> "list[PhotoResult]":
    """Faces and probabilities of each photo, in the order of the batch; a bad photo carries its error alone."""
    return get_pipeline().analyze(batch)


def explain(content: bytes, *, face: "Face", attribute: str, label: str) -> list[HeatMap]:
    """What in a face of an encoded photo mattered for a label, once by each method that its model allows.

    Raises CannotExplain where there is none.
    """
    from ml.model import heat_map
    from ml.model.card import CheckpointError
    from ml.requests import Chip

    chip = Chip(face.chip_cx, face.chip_cy, face.chip_side, face.chip_angle)
    try:
        found = get_pipeline().explain(content, chip=chip, attribute=attribute, label=label)
    except CheckpointError as error:
        raise CannotExplain(error.code) from error
    return [
        HeatMap(
            method=explanation.method,
            png=heat_map.heat_png(explanation),
            crop_side=face.chip_side * explanation.shown,
            places=explanation.places,
            probability=explanation.probability,
            reference_probability=explanation.reference_probability,
            regions=heat_map.region_sums(explanation),
        )
        for explanation in found
    ]


def build_request(
    content: bytes,
    *,
    faces: "Sequence[Face]",
    attributes: Iterable[str],
    detail: str = "normal",
    may_turn: bool = False,
) -> "PhotoRequest":
    """Ask for the faces in an encoded photo, or, where faces are known, for new words on the same crops.

    `detail` says how closely it is searched for faces, by a name of `ml.requests.DETAILS`. With `may_turn` it is turned
    upright first where its faces say so.
    """
    from ml.requests import Chip, PhotoRequest

    chips = tuple(Chip(face.chip_cx, face.chip_cy, face.chip_side, face.chip_angle) for face in faces)
    return PhotoRequest(content, chips or None, frozenset(attributes), detail=detail, may_turn=may_turn)
