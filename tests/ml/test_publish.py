"""A checkpoint as others get it: in the form of the Hugging Face hub, and taken by `--model` as it is."""

import json
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelCard as HubCard

from ml import predict, publish
from ml.model import checkpoint
from ml.model.card import REVIEWED_FACES, read_card


@pytest.fixture
def model(tiny, tmp_path):
    net, card = tiny
    metrics = {"fairface_val": {"images": 64, "race": {"accuracy": 0.5}, "age": {"accuracy": 0.25}}, "noted": 1}
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, metrics=metrics, licence="Anybody may use it."))
    (tmp_path / "model" / "MODEL_CARD.md").write_text("# Model card: tiny-1\n\nWhat it is.\n")
    return tmp_path / "model"


def test_what_is_published_is_the_checkpoint_and_what_the_hub_reads(model, tiny, tmp_path, astronaut, capsys):
    out = tmp_path / "hub"
    assert publish.main([str(model), "--out", str(out)]) == 0
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    (net, card), (again, told) = checkpoint.load(model), checkpoint.load(out)
    assert told == card
    assert all(torch.equal(values, again(x)[name]) for name, values in net(x).items())
    read = HubCard.load(out / "README.md")
    assert (read.data.license, read.data.license_link, read.data.library_name) == ("other", "LICENSE", "facet")
    found = {(of.dataset_name, of.task_name): of.metric_value for of in read.data.eval_results}
    assert found == {("fairface_val", "perceived race"): 0.5, ("fairface_val", "perceived age"): 0.25}
    assert "# Model card: tiny-1\n\nWhat it is." in read.text
    assert (out / "LICENSE").read_text() == "Anybody may use it.\n"
    config = json.loads((out / "config.json").read_text())
    assert (config["labels"]["gender"], config["image_size"]) == (["Male", "Female"], 32)
    astronaut.save(tmp_path / "photo.png")
    csv = tmp_path / "rows.csv"
    assert predict.main([str(tmp_path / "photo.png"), "--model", str(out), "--csv", str(csv)]) == 0
    assert "tiny-1" in csv.read_text()
    with pytest.raises(SystemExit):
        publish.main([str(model), "--out", str(out)])
    assert "holds a checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["card", "other card", "licence"])
def test_what_nobody_could_judge_is_not_published(model, tmp_path, capsys, missing):
    if missing == "licence":
        net, card = checkpoint.load(model)
        checkpoint.save(model, net=net, card=replace(card, licence=""))
    elif missing == "card":
        (model / "MODEL_CARD.md").unlink()
    else:
        (model / "MODEL_CARD.md").write_text("# Model card: tiny-10\n")
    with pytest.raises(SystemExit) as stop:
        publish.main([str(model), "--out", str(tmp_path / "hub")])
    assert stop.value.code == 2
    told = {"card": "no MODEL_CARD.md", "other card": "of another model", "licence": "--licence-file"}[missing]
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "hub").exists()


def test_a_licence_of_the_hubs_and_its_text_may_be_named(model, tmp_path, capsys):
    net, card = checkpoint.load(model)
    checkpoint.save(model, net=net, card=replace(card, recipe={REVIEWED_FACES: ["1f", "2e"]}))
    (tmp_path / "mit.txt").write_text("MIT License\n")
    options = ["--licence", "mit", "--licence-file", str(tmp_path / "mit.txt")]
    assert publish.main([str(model), "--out", str(tmp_path / "hub"), *options]) == 0
    assert HubCard.load(tmp_path / "hub" / "README.md").data.license == "mit"
    assert (tmp_path / "hub" / "LICENSE").read_text() == "MIT License\n"
    assert "names 2 reviewed faces" in capsys.readouterr().err
    assert read_card(tmp_path / "hub").learned_from == {"1f", "2e"}
