"""A bad checkpoint is told by every command in a line of its own, and nothing in it is executed."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ml import bench, calibrate, compare, evaluate, explain, export, join, predict
from ml.datasets import fairface
from ml.model import card as cards
from ml.model import checkpoint, network
from tests import pictures


class Attack:
    """Makes a folder when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def cut_in_half(folder: Path, **_: object) -> None:
    path = folder / cards.WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_version(folder: Path, **_: object) -> None:
    path = folder / cards.CARD_FILE
    path.write_text(path.read_text().replace(f'"format": {cards.FORMAT_VERSION}', '"format": 99'))


def with_fewer_heads(folder: Path, *, net: network.AttributeNet, card: cards.ModelCard, **_: object) -> None:
    fewer = network.AttributeNet(net.trunk, attributes={"race": card.labels["race"]})
    checkpoint.save(folder, net=fewer, card=card)


def with_an_unknown_trunk(folder: Path, *, net: network.AttributeNet, card: cards.ModelCard, **_: object) -> None:
    checkpoint.save(folder, net=net, card=replace(card, arch="no_such_trunk"))


def gone(folder: Path, **_: object) -> None:
    (folder / cards.CARD_FILE).unlink()


def without_weights(folder: Path, **_: object) -> None:
    (folder / cards.WEIGHTS_FILE).unlink()


def a_pickle(write: Callable[[object, Path], object]) -> Callable[..., None]:
    def spoil(folder: Path, *, card: cards.ModelCard, proof: Path, **_: object) -> None:
        write({"trunk": Attack(proof)}, folder / "evil")
        weights = (folder / "evil").read_bytes()  # with a card whose hash fits, as an attacker would write it
        cards.write_pair(folder, card=card, weights=weights, weights_file=cards.WEIGHTS_FILE)

    return spoil


SPOILT = {
    "missing": (gone, "no model.json in"),
    "weights missing": (without_weights, "no model.safetensors"),
    "cut in half": (cut_in_half, "their hash differs"),
    "another version": (of_another_version, "has format 99; this Facet reads 1"),
    "fewer heads": (with_fewer_heads, "tensors missing"),
    "an unknown trunk": (with_an_unknown_trunk, "no trunk called 'no_such_trunk'"),
    "a pickle": (a_pickle(lambda value, path: path.write_bytes(pickle.dumps(value))), "is a pickle"),
    "torch's zip": (a_pickle(torch.save), "is a pickle"),
}


@pytest.fixture
def run(tiny, tmp_path, small_fairface, capsys) -> Callable[..., str]:
    """Run a command on a spoilt checkpoint; the last line that it says."""
    net, card = tiny
    checkpoint.save(tmp_path / "good", net=net, card=card)
    checkpoint.save(tmp_path / "bad", net=net, card=card)
    pictures.picture(40, 40).save(tmp_path / "chip.png")
    bad, out = str(tmp_path / "bad"), tmp_path / "out"
    data = ["--data", str(small_fairface), "--shard", "train-0.zip", "--labels", fairface.TRAIN_CSV]
    arguments = {
        predict: [str(tmp_path / "chip.png"), "--aligned", "--model", bad],
        calibrate: ["--model", bad, "--out", str(out), *data],
        export: ["--model", bad, "--out", str(out)],
        evaluate: ["--model", bad, *data],
        compare: ["--production", str(tmp_path / "good"), "--candidate", bad, *data],
        explain: [str(tmp_path / "chip.png"), "--aligned", "--model", bad, "--out", str(tmp_path / "out.png")],
        bench: ["--model", bad],
        join: ["--model", str(tmp_path / "good"), "--model", bad, "--out", str(out), "--name", "both"],
    }

    def run_on(command, spoil) -> str:
        spoil(tmp_path / "bad", net=net, card=card, proof=tmp_path / "executed")
        with pytest.raises(SystemExit) as end:
            command.main(arguments[command])
        assert end.value.code == 2
        assert not out.exists()
        assert not (tmp_path / "executed").exists()
        return capsys.readouterr().err.splitlines()[-1]

    return run_on


COMMANDS = pytest.mark.parametrize(
    "command", [predict, calibrate, export, evaluate, compare, explain, bench, join], ids=lambda found: found.__name__
)


@COMMANDS
@pytest.mark.parametrize("name", SPOILT)
def test_every_command_tells_what_is_wrong_with_a_checkpoint(run, command, name):
    spoil, told = SPOILT[name]
    assert told in run(command, spoil)
