"""Write a model for others: python -m ml.publish DIR --out FOLDER [--licence mit] [--licence-file FILE]

The folder has the form of the Hugging Face hub: README.md (the model card with its metadata), LICENSE, config.json, and
the checkpoint itself, which `--model FOLDER` takes everywhere. Nothing is uploaded.
"""

import argparse
from pathlib import Path

from ml.commands import new_checkpoint, say, tell_aside, told_errors
from ml.errors import FacetError
from ml.files import replace_files
from ml.model import evidence, trained
from ml.model.card import CARD_FILE, EVIDENCE_FILE, TRAINED_FILE, ModelCard, find_weights, read_pair
from ml.reporting import hub_card, model_card
from ml.reporting.model_card import DIAGRAM_FILE, MODEL_CARD_FILE

README_FILE, CONFIG_FILE, LICENCE_FILE = "README.md", "config.json", "LICENSE"


class NotPublishable(FacetError):
    """A checkpoint of which others could not know what it is, how well it does, or what they may do with it."""


def publish(folder: Path, *, out: Path, licence: str, licence_file: Path | None) -> ModelCard:
    """Write the checkpoint in `folder` into `out` as the hub wants it, and return its card.

    `licence` is an identifier of the hub's; `licence_file` is the text that becomes LICENSE (None: what the card says).
    Raises what reading it raises, and NotPublishable.
    """
    weights_file = find_weights(folder)
    card, weights = read_pair(folder, weights_file=weights_file, own_labels=True)
    text = card.licence if licence_file is None else licence_file.read_text(encoding="utf-8")
    if not text.strip():
        raise NotPublishable(f"{card.name} tells no licence: name one with --licence-file")
    contents = {
        README_FILE: hub_card.write_readme(card, body=_read_body(folder, card=card), licence=licence).encode(),
        CONFIG_FILE: hub_card.write_config(card).encode(),
        LICENCE_FILE: (text.strip() + "\n").encode(),
        weights_file: weights,
        CARD_FILE: (folder / CARD_FILE).read_bytes(),
    }
    if card.evidence:
        contents[EVIDENCE_FILE] = evidence.read_bytes(folder, card=card)
    if trained.read(card) is not None:
        contents[TRAINED_FILE] = (folder / TRAINED_FILE).read_bytes()
    if (folder / DIAGRAM_FILE).is_file():
        contents[DIAGRAM_FILE] = (folder / DIAGRAM_FILE).read_bytes()
    replace_files({out / name: content for name, content in contents.items()})
    return card


def _read_body(folder: Path, *, card: ModelCard) -> str:
    """MODEL_CARD.md, which must tell of this version of the checkpoint. Raises NotPublishable."""
    path = folder / MODEL_CARD_FILE
    if not path.is_file():
        raise NotPublishable(f"no {MODEL_CARD_FILE} in {folder}: python -m ml.write_card makes it of what was measured")
    text = path.read_text(encoding="utf-8")
    if not model_card.is_of(text, card=card):
        raise NotPublishable(
            f"{path} is of another model or another version than {card.name} {card.sha256[:12]}: "
            "measure this one (python -m ml.evaluate), and python -m ml.write_card writes it anew"
        )
    return text


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.publish", description="Write a model for others.")
    parser.add_argument("model", type=Path, metavar="DIR", help="folder of the checkpoint, with its MODEL_CARD.md")
    parser.add_argument("--out", type=new_checkpoint, required=True, metavar="FOLDER", help="new folder to publish")
    parser.add_argument(
        "--licence", default=hub_card.OTHER, metavar="ID", help="the hub's identifier, such as mit (default: other)"
    )
    parser.add_argument(
        "--licence-file", type=Path, metavar="FILE", help="the text of LICENSE (default: what the checkpoint says)"
    )
    args = parser.parse_args(argv)
    with told_errors(parser):
        card = publish(args.model, out=args.out, licence=args.licence, licence_file=args.licence_file)
    if card.learned_from:
        tell_aside(f"warning: {CARD_FILE} names {len(card.learned_from)} reviewed faces of a site, by their uids")
    say(f"{card.name} {card.sha256[:12]} written to {args.out}; look at its README.md before you give it away")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
