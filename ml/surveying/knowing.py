"""What a checkpoint tells about predictions that are said to be its own."""

from pathlib import Path

from ml.model import evidence as evidence_
from ml.model.card import DEFAULT_DIR, ModelCard, read_card
from ml.shares.errors import NoEvidence
from ml.shares.evidence import CHIPS, PHOTOS
from ml.surveying.computing import Known
from ml.surveying.errors import BadPredictions
from ml.surveying.report import Model
from ml.surveying.survey import Survey


def name_model(card: ModelCard) -> str:
    """How predictions name the version that made them."""
    return f"{card.name} {card.sha256[:12]}"


def find_known(survey: Survey, *, folder: Path | None = None) -> Known:
    """The thresholds and the evidence of the predictions' own model.

    `folder` None is the default model. Somebody else's predictions, and a file that does not tell its model, have
    none unless a folder is named. Raises BadPredictions("other_model") where the folder holds another version than the
    predictions name, and what reading a checkpoint raises.
    """
    if folder is None and not (survey.is_ours and survey.model):
        name = survey.model or "a model that the file does not name"
        reason = (
            "nothing is known of the errors of these predictions"
            if survey.model
            else "the file does not tell which model these are predictions of"
        )
        return Known(Model(name), no_evidence=reason)
    card = read_card(folder or DEFAULT_DIR, own_labels=True)
    if survey.is_ours and survey.model and survey.model != name_model(card):
        raise BadPredictions(
            "other_model",
            f"these are predictions of {survey.model}, and {folder or DEFAULT_DIR} holds {name_model(card)}",
        )
    way = PHOTOS if survey.is_boxed else CHIPS
    model = Model(card.name, card.sha256, card.trained_on, str(card.evidence.get("data", "")))
    try:
        found = evidence_.read_evidence(folder or DEFAULT_DIR, card=card, way=way)
    except NoEvidence as error:
        return Known(model, no_evidence=str(error), thresholds=card.thresholds, learned_from=card.learned_from)
    return Known(model, found, thresholds=card.thresholds, learned_from=card.learned_from)
