"""Give rare labels their weight: python -m ml.adjust --model DIR --data FOLDER --head race --out DIR

A network trained on uneven labels answers the frequent ones too readily. This takes --strength times the logarithm of
each label's share off its calibrated logits (post-hoc logit adjustment, Menon et al. 2021), which costs no training:
1 makes up for the shares, 0 changes nothing. The shares are those of the images that the checkpoint's recipe held out,
or of any other data set like the one it was trained on, named as for ml.evaluate.

The checkpoint must be calibrated already. The result is another version, with no measures, thresholds or sets:
calibrate it again, and evaluate it.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

from ml import labels
from ml.commands import new_checkpoint, say, told_errors
from ml.datasets import face_set, held_out, sources
from ml.errors import BadRecipe
from ml.model import checkpoint, network
from ml.model.card import ModelCard
from ml.training import setup


def adjust_head(
    net: network.FaceNet, card: ModelCard, *, faces: face_set.FaceSet, attribute: str, strength: float
) -> ModelCard:
    """Shift the biases of one head in place; the card of the new version.

    Raises BadRecipe where the checkpoint or the set does not know the attribute, and for a strength that is no number.
    """
    if not math.isfinite(strength):
        raise BadRecipe(f"a strength is a number, not {strength:g}")
    if attribute not in card.labels or attribute not in faces.targets:
        raise BadRecipe(f"{card.name} or the data set has no attribute {attribute!r}")
    if attribute not in card.temperatures:
        # Without one the calibration that follows would make the shift another than it is said to be.
        raise BadRecipe(f"{card.name} has no temperature of {attribute}: calibrate it first")
    covers = setup.covers_of(faces, heads=card.labels)
    log_shares = setup.priors_of(faces, covers=covers)[attribute] * card.temperatures[attribute]
    net.shift_head(attribute, by=-strength * log_shares)
    before = card.recipe.get("adjusted", {})
    adjusted = before | {attribute: before.get(attribute, 0.0) + strength}
    told = card.recipe | {"adjusted": adjusted}
    return replace(card, thresholds={}, sets={}, numbers={}, metrics={}, recipe=told, sha256="")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ml.adjust",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--out", type=new_checkpoint, required=True, metavar="DIR", help="new folder for the version")
    parser.add_argument("--name", help="its name (default: the old one with -adjusted)")
    parser.add_argument(
        "--head", default=labels.FIRST, metavar="ATTRIBUTE", help="which answers to shift (default: %(default)s)"
    )
    parser.add_argument("--strength", type=float, default=1.0, metavar="X", help="default: 1")
    sources.add_arguments(parser)
    args = parser.parse_args(argv)
    with told_errors(parser):
        net, card = checkpoint.load(args.model, own_labels=True)
        if sources.names_a_set(args):
            faces = sources.read_source(sources.from_arguments(args), preset=card.preset)
        else:
            faces = held_out.read_held_out(card, place=args.data).slice(0, args.limit)
        card = adjust_head(net, card, faces=faces, attribute=args.head, strength=args.strength)
        card = checkpoint.save(args.out, net=net, card=replace(card, name=args.name or f"{card.name}-adjusted"))
    say(f"{card.name} {card.sha256[:12]} is in {args.out}; python -m ml.calibrate makes its probabilities honest")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
