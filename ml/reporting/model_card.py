"""A model card in Markdown: what a checkpoint is and is for, how well it does, and what it must not be used for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml import labels
from ml.measuring.comparison_tables import Comparison
from ml.measuring.tables import Evaluation
from ml.model.card import EVIDENCE_FILE, ModelCard
from ml.reporting import card_accuracy, card_evidence, card_trust, markdown
from ml.shares.evidence import Evidence

ARCHITECTURES = {
    "face_resnet29": "face ResNet-29",
    **{f"face_resnet29x{count}": f"{count} face ResNet-29s side by side" for count in range(2, 10)},
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
}
STARTS = {
    "random": "random weights",
    "imagenet": "torchvision's ImageNet weights",
    "face_resnet29.safetensors": "dlib's face recognition ResNet (dlib-models, CC0), without its identity descriptor",
}
DATA_LICENCES = {
    "FairFace": "FairFace: Kärkkäinen and Joo, FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age, "
    "WACV 2021; CC BY 4.0",
    "UTKFace": "UTKFace: Zhang, Song and Qi, Age Progression/Regression by Conditional Adversarial Autoencoder, "
    "CVPR 2017; for non-commercial research only",
}
WHAT_IT_SAYS = (
    "looks at an aligned face chip and says as which {attributes} the face is likely to be *perceived*: a vector of "
    "{probabilities} for each. They describe what annotators would probably say of a picture. They say "
    "nothing of who a person is, how they see themselves, where they come from or how old they are."
)
INTENDED = (
    "Auditing collections of pictures as a whole: how are people of different groups represented in a data set, an "
    "archive, a campaign; how does a system treat groups? Report shares with their error, use the right to say "
    '"unsure", and check a sample by hand: the accuracy on your pictures is not the accuracy below.'
)
NOT_INTENDED = (
    "Identifying, matching or tracking people. Scoring or deciding anything about a person: access, hiring, prices, "
    "policing, borders, insurance, moderation. Telling anybody their race, gender or age as a fact. Inferring "
    "ethnicity, nationality, religion, origin or gender identity. Live video of people who do not know. Many of these "
    "uses are unlawful, among others under Article 5(1)(g) of the EU AI Act and Article 9 of the GDPR."
)
LIMITS = (
    "The labels are impressions of annotators, in categories that other places and times draw differently. The groups "
    "leave people out.",
    "Historical photos, drawings, computer-generated people, masks, strong make-up, surveillance pictures and extreme "
    "poses were not measured.",
    "Small faces are told worse; under about 40 pixels of width little can be said. Size, sharpness and brightness of "
    "each face are reported beside the answer.",
    "The probabilities hold for a mixture of groups like that of the images they were fitted on. Where one group is "
    "rare, more of the faces that are called so are wrong.",
    "Errors differ by group, see above. A comparison between groups must take this into account.",
)
FAIRFACE_LIMIT = "FairFace's pictures come mostly from Flickr; its labels are those of crowd workers."


def write_card(
    card: ModelCard,
    *,
    report: Evaluation,
    others: Sequence[Evaluation] = (),
    comparison: Comparison | None = None,
    weights: int | None = None,
    diagram: str = "",
    evidence: Sequence[Evidence] = (),
) -> str:
    """The whole document.

    `report` and `others` are what `ml.evaluate` wrote on the main data set and on further ones, `comparison` what
    `ml.compare` wrote; `weights` is how many numbers the network has, `diagram` the file of the reliability diagrams,
    `evidence` what the checkpoint carries of how it errs.
    """
    trained = f"{card.trained_on} {card.licence}"
    what = WHAT_IT_SAYS.format(
        attributes=_join_words(card.labels),
        probabilities="calibrated probabilities" if card.temperatures else "probabilities",
    )
    blocks = [
        f"# Model card: {markdown.escape(card.name)}",
        markdown.paragraph(markdown.escape(card.name), what),
        markdown.table(("", ""), _facts(card, weights=weights)),
        *(markdown.heading("Intended use"), markdown.paragraph(INTENDED)),
        *(markdown.heading("Not to be used for"), markdown.paragraph(NOT_INTENDED)),
        *card_accuracy.write_overview(report, card=card),
        *card_accuracy.write_groups(report),
        *card_accuracy.write_confusions(report),
        *card_accuracy.write_taxonomies(report),
        *card_trust.write_calibration(report, card=card, diagram=diagram),
        *card_trust.write_quality(report),
        *card_trust.write_whole_way(report),
        *card_evidence.write_evidence(evidence, file=EVIDENCE_FILE),
    ]
    if others:
        blocks.append(markdown.heading("On other pictures"))
    for other in others:
        blocks += card_trust.write_other(other, card=card)
    if comparison:
        blocks += card_trust.write_comparison(comparison, card=card)
    limits = [LIMITS[0], *([FAIRFACE_LIMIT] if "FairFace" in trained else []), *LIMITS[1:]]
    blocks += [markdown.heading("Limits"), markdown.bullets(limits), *_write_recipe(card)]
    blocks += [
        markdown.heading("About this file"),
        markdown.paragraph(
            f"Written by `python -m ml.write_card` from the checkpoint and the measures of `ml.evaluate`, not by hand. "
            f"SHA-256 of the checkpoint (weights and JSON): `{card.sha256}`; of the images measured, with their "
            f"labels: `{report.data.sha256}`."
        ),
    ]
    return markdown.join(blocks)


def _facts(card: ModelCard, *, weights: int | None) -> list[tuple[str, str]]:
    count = "" if weights is None else f", {_round(weights)} weights"
    side = card.preset.size
    recipe = card.recipe
    rows = [
        ("Network", f"{ARCHITECTURES.get(card.arch, card.arch)}{count}; one linear head per attribute"),
        (
            "Input",
            f"RGB, {side} x {side}, faces placed as in FairFace's chips with margin {card.preset.margin:g}; "
            "the answer is the mean of both flips",
        ),
        ("Labels", "; ".join(f"{attribute}: {', '.join(names)}" for attribute, names in card.labels.items())),
    ]
    if recipe.get("start"):
        rows.append(("Start", STARTS.get(recipe["start"], str(recipe["start"]))))
    if recipe.get("teachers"):
        rows.append(("Teachers", f"{', '.join(recipe['teachers'])}: networks whose word on the same faces it learned"))
    rows.append(("Trained on", card.trained_on or "not told"))
    told = [f"{recipe[key]} {what}" for key, what in (("epochs", "epochs"), ("images", "images")) if key in recipe]
    if "seed" in recipe:
        told.append(f"seed {recipe['seed']}")
    if told:
        rows.append(("Training", ", ".join([*told, "all values below"])))
    rows += [(f"{name}'s licence", licence) for name, licence in DATA_LICENCES.items() if name in card.trained_on]
    return [*rows, ("Licence", card.licence or "not told")]


def _write_recipe(card: ModelCard) -> list[str]:
    values = {name: value for name, value in card.recipe.items() if name not in ("name", "licence", "trained_on")}
    if not values:
        return []
    rows = [(key, _told(value)) for key, value in _flatten(values)]
    return [
        markdown.heading("Recipe"),
        markdown.paragraph(f"`python -m ml.train` makes such a network again from these values{_afterwards(card)}."),
        markdown.folded("All values", markdown.table(("", "value"), rows)),
    ]


def _afterwards(card: ModelCard) -> str:
    """What the values alone do not do."""
    teachers = " and a `--teacher` for each of its teachers" if card.recipe.get("teachers") else ""
    shifts = [f"`--head {name} --strength {value:g}`" for name, value in card.recipe.get("adjusted", {}).items()]
    return teachers + (f"; once calibrated, `python -m ml.adjust` with {', '.join(shifts)} follows" if shifts else "")


def _flatten(values: Mapping[str, Any], *, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Values by dotted keys, as a recipe's options are called."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, prefix=f"{prefix}{key}.")
        elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
            for number, part in enumerate(value, start=1):
                yield from _flatten(part, prefix=f"{prefix}{key}.{number}.")
        else:
            yield f"{prefix}{key}", value


def _round(count: int) -> str:
    return f"{count / 1e6:.1f} million" if count >= 1e5 else f"{count:,}"


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _join_words(attributes: Iterable[str]) -> str:
    words = [f"{name} group" if name == labels.BY else name for name in attributes]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
