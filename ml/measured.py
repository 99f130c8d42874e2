"""The one rule for what was measured of a model: a measure holds for the version that it was measured of.

Each carries the hash of what answered, weights and calibration (`ml.model.card.hash_answers`). As soon as another
version is written, those of the one before are kept apart, under OTHERS; who shows measures asks `choose_current`.
"""

from collections.abc import Mapping
from typing import Any

OF = "of"  # in a measure: the hash of what answered
THIS = "this version"  # in place of the hash, until the version is written
OTHERS = "of_another_version"


def settle(metrics: Mapping[str, Any], *, answers: str, is_new: bool) -> dict[str, Any]:
    """The metrics of a version that is being written, whose answers have this hash.

    Of a version that `is_new` whoever made it measured what is told without a hash. Single numbers cannot carry one,
    and stay as they are.
    """
    current: dict[str, Any] = {}
    others = dict(metrics.get(OTHERS, {}))
    for name, measure in metrics.items():
        if name == OTHERS:
            continue
        if not isinstance(measure, Mapping):
            current[name] = measure
        elif measure.get(OF) in (THIS, answers) or (is_new and OF not in measure):
            current[name] = {**measure, OF: answers}
            others.pop(name, None)
        else:
            others[name] = measure
    return current | ({OTHERS: others} if others else {})


def choose_current(metrics: Mapping[str, Any], *, answers: str) -> tuple[dict[str, Any], list[str]]:
    """What was measured of the version whose answers have this hash, and the names of what was measured of others.

    Where none carries a hash, since the card is from before they did, all that it tells of itself counts.
    """
    own = {name: measure for name, measure in metrics.items() if name != OTHERS}
    is_from_before = OTHERS not in metrics and not any(OF in of for of in own.values() if isinstance(of, Mapping))
    current = {
        name: measure
        for name, measure in own.items()
        if is_from_before or not isinstance(measure, Mapping) or measure.get(OF) == answers
    }
    return current, sorted({*own.keys() - current.keys(), *metrics.get(OTHERS, {})} - current.keys())


def is_same(*, version: str, answers: str, of_version: str, of_answers: str) -> bool:
    """Whether a report is of a checkpoint: of this very version, or of one that answers by the same numbers.

    All are hashes, `of_version` empty of what is no checkpoint, the others where they are not known.
    """
    return bool(of_version) and (version == of_version or bool(answers and answers == of_answers))
