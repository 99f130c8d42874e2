"""What a run leaves behind, and what each part of a recipe does to it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ml import labels
from ml.model import checkpoint, network, trunks
from ml.model.card import read_card
from ml.training import module, recipe, watching
from tests.ml.conftest import read_log, weights_of


def test_a_run_leaves_checkpoints_log_curves_and_confusions(run, tmp_path, capsys):
    assert run("run", draws=True) == 0
    folder = tmp_path / "run"
    rows = read_log(folder / watching.LOG_FILE)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train_loss", "val_loss", "train_gender", "val_gender", "val_race of Latino_Hispanic"} <= set(rows[0])
    assert {"train_gender_loss", "val_age_loss", "train_accuracy_multi", "val_accuracy_multi"} <= set(rows[0])
    for name in ("last", "."):
        card = read_card(folder / name)
        checkpoint.load(folder / name)
        assert (card.name, card.arch, card.recipe["images"]) == ("trial", "tiny", 48)
    assert read_card(folder / "last").recipe["epochs_done"] == 2
    about = json.loads((folder / "run.json").read_text())
    assert (about["seed"], about["recipe"]["data"]["held_out"], len(about["data_sha256"])) == (1, 16, 64)
    assert (folder / "val.txt").read_text().splitlines()[-1] == "train/64.webp\tBlack"
    assert len((folder / "train.txt").read_text().splitlines()) == 48
    for name in ("curves.png", "confusion_race_counts.png", "confusion_race_percent.png"):
        assert Image.open(folder / name).width > 300
    table = read_log(folder / "confusion_gender.csv")
    assert sum(int(row["Male"]) + int(row["Female"]) for row in table) == 16
    printed = capsys.readouterr().out
    assert "epoch 2/2: loss" in printed
    assert "  race: White" in printed


def test_a_network_learns_what_there_is_to_learn(run, tmp_path):
    run("run", "--epochs", "12", "--average", "0", "--augmentation.brightness", "0", "--mixup", "0")
    assert float(read_log(tmp_path / "run" / "log.csv")[-1]["val_gender"]) > 0.9


@pytest.mark.parametrize(
    "options",
    [
        ("--optimizer", "adam", "--lr", "1e-3", "--schedule", "cosine"),
        ("--optimizer", "adamw", "--lr", "1e-3", "--schedule", "plateau", "--plateau-patience", "1"),
        ("--mixup", "0.3", "--augmentation.shrink", "0.5", "--augmentation.shrink-to", "8,16"),
        ("--augmentation.jpeg", "0.5", "--adjust", "1.0"),
        ("--mixup", "0.4", "--cutmix", "1.0"),
        ("--ordinal", "0.5"),
        ("--small-epochs", "1", "--small-size", "24"),
        ("--average", "0", "--precision", "32"),
        ("--precision", "bf16", "--batch-size", "64"),
        ("--attributes", "gender"),
        ("--loss", "focal", "--focus", "1", "--balance", "race"),
        ("--loss", "ldam", "--robust", "0.1"),
    ],
)
def test_every_option_trains(run, tmp_path, options):
    assert run("run", *options, "--seed", "3") == 0
    rows = read_log(tmp_path / "run" / "log.csv")
    assert all(np.isfinite(float(row["train_loss"])) for row in rows)


def test_the_trunk_stays_frozen_in_the_first_epochs(run, tmp_path):
    run("one", "--epochs", "1", "--frozen-epochs", "1", "--average", "0", "--schedule", "constant")
    run("two", "--epochs", "2", "--frozen-epochs", "1", "--average", "0", "--schedule", "constant")
    torch.manual_seed(1)
    fresh = trunks.create_trunk("tiny").conv.conv.weight.detach()
    frozen, free = (weights_of(tmp_path / name / "last")["trunk.conv.conv.weight"] for name in ("one", "two"))
    assert torch.allclose(frozen, fresh, atol=1e-3)
    assert not torch.allclose(free, fresh, atol=1e-3)


def test_a_run_that_gets_no_better_stops_early(run, tmp_path):
    run("run", "--epochs", "30", "--lr", "1e-9", "--average", "0", "--patience", "2", "--schedule", "constant")
    assert len(read_log(tmp_path / "run" / "log.csv")) < 30


def test_a_plateau_divides_the_rate_and_patience_ends_the_run_all_the_same(run, tmp_path):
    plateau = ["--lr", "1e-5", "--average", "0", "--schedule", "plateau", "--plateau-patience", "1"]
    assert run("whole", *plateau, "--epochs", "6") == 0
    assert run("ended", *plateau, "--epochs", "30", "--patience", "3") == 0
    whole, ended = (read_log(tmp_path / name / "log.csv") for name in ("whole", "ended"))
    assert len(whole) == 6
    assert len(ended) < 30
    assert float(ended[-1]["learning_rate"]) < float(ended[0]["learning_rate"])


def test_the_rate_is_divided_after_as_many_epochs_as_told():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    wanted = recipe.Recipe(schedule="plateau", plateau_patience=2)
    plateau = module._schedule(optimizer, recipe=wanted, steps=1)
    rates = []
    for loss in (3.0, 3.0, 3.0, 2.0, 2.0, 2.0):
        plateau.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01])


def test_the_best_epoch_is_kept_beside_the_last(run, tmp_path):
    run("run", "--epochs", "4", "--average", "0")
    losses = [float(row["val_loss"]) for row in read_log(tmp_path / "run" / "log.csv")]
    assert read_card(tmp_path / "run").recipe["epochs_done"] == 1 + int(np.argmin(losses))


def test_the_confusions_are_those_of_the_epoch_that_was_kept(run, tmp_path, monkeypatch):
    tell, seen = watching._measures, []

    def note(tally, **of):
        seen.append(tally.confusions["race"].tolist())
        return tell(tally, **of) | {f"{of['part']}_loss": next(falls_then_rises)}

    falls_then_rises = iter([1.0, 0.9, 1.0, 0.1, 1.0, 0.8, 1.0, 0.7])  # training and validation, epoch by epoch
    monkeypatch.setattr(watching, "_measures", note)
    run("run", "--epochs", "3", "--lr", "0.5", "--average", "0", "--augmentation.brightness", "0")
    run("run", "--epochs", "4", "--lr", "0.5", "--average", "0", "--augmentation.brightness", "0", "--resume")
    validation = seen[1::2]
    assert read_card(tmp_path / "run").recipe["epochs_done"] == 2
    table = read_log(tmp_path / "run" / "confusion_race.csv")
    assert [[int(row[name]) for name in labels.RACE] for row in table] == validation[1] != validation[3]


def test_an_epoch_at_the_small_size_is_never_the_best_one(run, tmp_path, monkeypatch):
    """However low its loss: it is that of other chips than the network is published for."""
    tell = watching._measures
    monkeypatch.setattr(
        watching, "_measures", lambda tally, **of: tell(tally, **of) | {f"{of['part']}_loss": next(low)}
    )
    low = iter([1.0, 0.1, 1.0, 0.2, 1.0, 0.9, 1.0, 0.8])  # training and validation, epoch by epoch
    run("run", "--epochs", "4", "--small-epochs", "2", "--small-size", "24")
    assert read_card(tmp_path / "run").recipe["epochs_done"] == 4


@pytest.mark.parametrize(("steps", "warmup"), [(9, 0.1), (1, 1 / 3), (4, 0.2), (99, 0.01)])
def test_a_cycle_of_one_step_that_rises_is_a_cycle(steps, warmup):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    wanted = recipe.Recipe(schedule="one_cycle", warmup=warmup, learning_rate=0.5)
    cycle = module._schedule(optimizer, recipe=wanted, steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cycle.step()
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates == sorted(rates, reverse=True)


def test_a_loss_that_is_no_number_ends_the_run_with_a_word(run, tmp_path, capsys):
    assert run("run", "--lr", "1e30", "--epochs", "3", "--schedule", "constant", "--precision", "32") == 1
    assert "the loss became" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "--optimizer=lbfgs",
        "--epochs=0",
        "--dropout=2",
        "--arch=no-such-net",
        "--strategy=wishful",
        "--distill=0.5",
        "--teacher=somewhere",
        "--seed=-1",
        "--size=-8",
        "--mixup=-1",
        "--momentum=2",
        "--loss=hinge",
        "--accumulate=0",
        "--balance=hair",
        "--data.held-out=-1",
        "--data.validation-share=1",
        "--augmentation.shrink-to=90,32",
        "--limit=0",
        "--devices=0",
        "--margin=-0.5",
        "--margin=nan",
        "--lr=nan",
        "--batch-size=1",
    ],
)
def test_values_that_mean_nothing_are_told_in_a_line(run, option, capsys):
    with pytest.raises(SystemExit) as stop:
        run("run", option)
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")),
        "cuda:9",
        "abacus",
    ],
)
def test_a_device_that_is_not_there_is_told_in_a_line(run, device, capsys):
    with pytest.raises(SystemExit) as stop:
        run("run", "--device", device)
    assert stop.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.endswith(f"error: argument --device: torch has no device '{device}' here")


def test_lower_layers_learn_slower_by_a_share_for_each():
    """test_vit: the patches, six blocks (the last one with the norm behind it), the heads."""
    torch.manual_seed(1)
    net = network.AttributeNet(trunks.create_trunk("test_vit", size=64), attributes={"gender": ("Male", "Female")})
    wanted = recipe.Recipe(
        learning_rate=0.4, layer_decay=0.5, weight_decay=0.1, optimizer="adamw", schedule="one_cycle"
    )
    groups = module.parameter_groups(net, recipe=wanted)
    rates = {id(p): (of.get("lr", 0.4), of["weight_decay"]) for of in groups for p in of["params"]}
    assert len(rates) == len(list(net.parameters()))
    vit = net.trunk.net
    layers = [net.heads["gender"].weight, vit.blocks[5].mlp.fc1.weight, vit.blocks[4].mlp.fc1.weight]
    layers += [vit.blocks[0].mlp.fc1.weight, vit.patch_embed.proj.weight]
    found = [rates[id(parameter)] for parameter in layers]
    assert found == [(0.4, 0.1), (0.4, 0.1), (0.2, 0.1), (0.4 / 2**5, 0.1), (0.4 / 2**6, 0.1)]
    assert rates[id(vit.blocks[4].mlp.fc1.bias)] == (0.2, 0.0)
    optimizer = torch.optim.AdamW(groups, lr=0.4)
    cycle = module._schedule(optimizer, recipe=wanted, steps=10)
    shares = [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups]
    for _ in range(5):
        optimizer.step()
        cycle.step()
    assert [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups] == pytest.approx(shares)


def test_a_teacher_is_followed(run, tmp_path, tiny):
    net, card = tiny
    checkpoint.save(tmp_path / "teacher", net=net, card=card)
    assert run("run", "--teacher", str(tmp_path / "teacher"), "--distill", "1.0", "--mixup", "0.2") == 0
    assert not any("teacher" in name for name in weights_of(tmp_path / "run"))
    told = read_card(tmp_path / "teacher")
    assert read_card(tmp_path / "run").recipe["teachers"] == [f"{told.name} {told.sha256[:12]}"]


def test_a_teacher_sees_chips_of_its_own_size(run, tmp_path, tiny, monkeypatch):
    net, card = tiny
    checkpoint.save(tmp_path / "teacher", net=net, card=replace(card, preset=replace(card.preset, size=48)))
    seen = set()
    see = type(net.trunk).forward

    def note(trunk, x):
        seen.add((trunk.training, x.shape[2]))
        return see(trunk, x)

    monkeypatch.setattr(type(net.trunk), "forward", note)
    assert run("run", "--teacher", str(tmp_path / "teacher"), "--distill", "0.5", "--epochs", "1") == 0
    assert seen == {(True, 32), (False, 48), (False, 32)}  # learning, teaching, validation
    assert read_card(tmp_path / "run").preset.size == 32


@pytest.mark.parametrize("wrong", ["margin", "labels"])
def test_a_teacher_that_speaks_of_something_else_is_refused(run, tmp_path, tiny, capsys, wrong):
    net, card = tiny
    other = {"margin": replace(card, preset=replace(card.preset, margin=1.25))}
    other["labels"] = replace(card, labels={**card.labels, "gender": ("Female", "Male")})
    checkpoint.save(tmp_path / "teacher", net=net, card=other[wrong])
    with pytest.raises(SystemExit) as stop:
        run("run", "--teacher", str(tmp_path / "teacher"), "--distill", "0.5")
    assert stop.value.code == 2
    assert card.name in capsys.readouterr().err.splitlines()[-1]


def test_a_batch_in_pieces_is_one_step(run, tmp_path):
    """As many steps of the optimiser, and the running statistics of its pieces."""
    assert run("whole", "--epochs", "1") == run("pieces", "--epochs", "1", "--accumulate", "4") == 0
    states = [torch.load(tmp_path / name / watching.STATE_FILE, weights_only=True) for name in ("whole", "pieces")]
    assert [state["global_step"] for state in states] == [3, 3]
    norms = [state["state_dict"]["net.norm.num_batches_tracked"].item() for state in states]
    assert norms == [3, 12]
    assert json.loads((tmp_path / "pieces" / "run.json").read_text())["batch_pieces"] == 4


def test_the_trunk_is_compiled_on_request(run, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled.append(type(module).__name__))
    assert run("run", "--compile", "--epochs", "1") == 0
    assert compiled == ["TinyTrunk"]


def test_tensorboard_is_written_on_request(run, tmp_path):
    run("run", "--tensorboard", "--epochs", "1")
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))


def test_a_checkpoint_can_be_the_start_of_another_run(run, tmp_path):
    run("first", "--epochs", "1")
    assert run("second", "--start", str(tmp_path / "first"), "--epochs", "1", "--lr", "1e-9", "--average", "0") == 0
    one, two = (weights_of(tmp_path / name)["trunk.conv.conv.weight"] for name in ("first", "second"))
    assert torch.allclose(one, two, atol=2e-3)


def test_a_network_in_the_wild_keeps_its_margin(run, tmp_path):
    assert run("run", "--margin", "1.25", "--data.margin", "1.25", "--epochs", "1") == 0
    assert read_card(tmp_path / "run").preset.margin == 1.25
