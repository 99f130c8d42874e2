"""A checkpoint as others get it: in the form of the Hugging Face hub, and taken by `--model` as it is."""

import json
from dataclasses import replace

import pytest
import torch
from huggingface_hub import ModelCard as HubCard

from ml import predict, publish
from ml.model import checkpoint
from ml.model.card import DEFAULT_DIR, REVIEWED_FACES, WEIGHTS_FILE, read_card, read_pair
from ml.reporting import model_card


@pytest.fixture
def model(tiny, tmp_path):
    net, card = tiny
    metrics = {"fairface_val": {"images": 64, "race": {"accuracy": 0.5}, "age": {"accuracy": 0.25}}, "noted": 1}
    of = replace(card, metrics=metrics, licence="Anybody may use it.")
    answers = checkpoint.save(tmp_path / "model", net=net, card=of).answers_sha256
    about = f"## About this file\n\nSHA-256 of the checkpoint: `{answers}`.\n"
    (tmp_path / "model" / "MODEL_CARD.md").write_text(f"# Model card: tiny-1\n\nWhat it is.\n\n{about}")
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


@pytest.mark.parametrize("change", ["weights", "temperatures", "no hash", "hash elsewhere"])
def test_a_card_of_another_version_is_not_published(model, tmp_path, capsys, change):
    path = model / "MODEL_CARD.md"
    text = path.read_text()
    net, card = checkpoint.load(model)
    if change == "weights":  # as `ml.train --resume` changes them
        with torch.no_grad():
            next(net.parameters()).add_(0.5)
        checkpoint.save(model, net=net, card=card)
    elif change == "temperatures":
        checkpoint.save(model, net=net, card=replace(card, temperatures={**card.temperatures, "race": 9.0}))
    elif change == "no hash":
        path.write_text(text.partition("## About")[0])
    else:
        path.write_text(f"# Model card: tiny-1\n\nNot `{card.sha256}`.\n\n## About this file\n\nOf `{'0' * 64}`.\n")
    with pytest.raises(SystemExit) as stop:
        publish.main([str(model), "--out", str(tmp_path / "hub")])
    assert stop.value.code == 2
    assert f"another version than tiny-1 {read_card(model).sha256[:12]}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("folder", [DEFAULT_DIR, DEFAULT_DIR / "facet-3.1"], ids=["default", "facet-3.1"])
def test_the_cards_that_come_with_facet_are_of_their_checkpoints(folder):
    card, _ = read_pair(folder, weights_file=WEIGHTS_FILE)
    assert model_card.is_of((folder / "MODEL_CARD.md").read_text(), card=card)


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
