from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from ml import export, files, labels
from ml.calibration import NumberRule, SetRule
from ml.datasets import face_set, fairface
from ml.measuring import int8_losses
from ml.measuring.predictions import Predictions
from ml.model import card as cards
from ml.model import checkpoint, network, trunks
from ml.model.runtime import OnnxRuntime
from ml.preprocess import IMAGENET_PRESET, Preset


@pytest.fixture
def model(tiny, tmp_path):
    """A folder with a tiny checkpoint whose normalisations have something to fold."""
    net, card = tiny
    net.trunk.conv.norm.running_mean.normal_()
    net.trunk.conv.norm.running_var.uniform_(0.5, 2)
    card = replace(
        card,
        thresholds={"gender": {"gender": {"Male": 0.7, "Female": None}}},
        sets={"gender": {"gender": SetRule(0.9, {"Male": 0.4, "Female": 0.3})}},
        numbers={"age": NumberRule(2.0, (1.0,) * 9, tuple(range(9)), (0.1, 0.1), 0.8)},
    )
    checkpoint.save(tmp_path / "model", net=net, card=card)
    return tmp_path / "model"


@pytest.fixture
def on_faces(small_fairface):
    return ["--data", str(small_fairface), "--shard", "train-0.zip", "--labels", fairface.TRAIN_CSV]


def test_an_export_says_what_torch_says_for_batches_of_any_size(model, on_faces, tmp_path, capsys):
    assert export.main(["--model", str(model), "--out", str(tmp_path / "out"), *on_faces]) == 0
    assert "on 64 real chips" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [cards.CARD_FILE, cards.ONNX_FILE]
    net, source = checkpoint.load(model)
    runtime = OnnxRuntime.load(tmp_path / "out")
    about = runtime.card.metrics["export"]
    assert (about["exported_from"], about["precision"]) == (source.sha256, "float32")
    assert about["largest_difference"] <= export.LOGIT_TOLERANCE
    assert runtime.card.name == "tiny-1-onnx"
    assert replace(runtime.card, name=source.name, metrics=source.metrics, sha256=source.sha256) == source
    for count in (1, 3, 70):
        chips = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        assert export.largest_difference(net, runtime=runtime, chips=chips) < export.LOGIT_TOLERANCE
    graph = onnx.load(tmp_path / "out" / cards.ONNX_FILE).graph
    onnx.checker.check_model(str(tmp_path / "out" / cards.ONNX_FILE))
    norms = [node for node in graph.node if node.op_type == "BatchNormalization"]
    assert len(norms) <= 1  # that of the features, before the heads


def test_without_data_generated_chips_are_compared(model, tmp_path, capsys):
    assert export.main(["--model", str(model), "--out", str(tmp_path / "out")]) == 0
    assert "on 64 generated chips" in capsys.readouterr().out


def test_a_graph_that_differs_is_refused_and_nothing_is_written(model, tmp_path, monkeypatch, capsys):
    to_onnx = export.to_onnx

    def of_another_network(net: network.AttributeNet, **kwargs: object) -> bytes:
        with torch.no_grad():
            net.heads["age"].bias[3] += 0.01
        weights = to_onnx(net, **kwargs)
        with torch.no_grad():
            net.heads["age"].bias[3] -= 0.01
        return weights

    monkeypatch.setattr(export, "to_onnx", of_another_network)
    assert export.main(["--model", str(model), "--out", str(tmp_path / "out")]) == 1
    assert "refused: ONNX Runtime differs from torch by 1.00e-02" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_int8_is_kept_when_no_group_loses(model, on_faces, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.setattr(int8_losses, "LARGEST_LOSS", 1.0)  # 32 noisy images: what a group loses is luck
    assert export.main(["--model", str(model), "--out", str(tmp_path / "out"), "--int8", *on_faces]) == 0
    told = capsys.readouterr().out
    assert "gender Middle Eastern" in told
    assert "out-of-range" not in caplog.text
    runtime = OnnxRuntime.load(tmp_path / "out")
    assert runtime.card.name == "tiny-1-int8"
    about = runtime.card.metrics["export"]
    assert (about["precision"], about["measured_on"]) == ("int8", 32)
    kinds = {node.op_type for node in onnx.load(tmp_path / "out" / cards.ONNX_FILE).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    chips = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert runtime.probabilities(chips)["race"].sum(axis=1) == pytest.approx(np.ones(3))


def test_int8_that_costs_a_group_more_than_half_a_point_is_refused(model, on_faces, tmp_path, monkeypatch, capsys):
    found = [int8_losses.Loss("race", "all", 1000, 0.7, 0.7), int8_losses.Loss("race", "Black", 200, 0.86, 0.854)]
    monkeypatch.setattr(int8_losses, "measure_losses", lambda *args, **kwargs: found)
    assert export.main(["--model", str(model), "--out", str(tmp_path / "out"), "--int8", *on_faces]) == 1
    assert "race of Black 0.60" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    int8_losses.check_losses([replace(found[1], after=0.856)])


def say(genders, classes=None):
    classes = classes or face_set.classes_in("gender")
    vectors = {"gender": np.eye(len(classes.names))[genders]}
    return Predictions("tiny-1", ("a", "b", "c", "d"), vectors, {"gender": classes})


def test_losses_are_counted_in_each_group_that_has_images():
    targets = {"race": np.array([0, 0, 3, 3]), "gender": np.array([0, 1, 0, 1])}
    faces = face_set.FaceSet(np.zeros((4, 2, 2, 3), np.uint8), targets, ("a", "b", "c", "d"))
    losses = int8_losses.measure_losses(say([0, 1, 0, 1]), after=say([0, 1, 0, 0]), faces=faces)
    assert [(loss.group, loss.images, loss.lost) for loss in losses] == [
        ("all", 4, 0.25),
        ("White", 2, 0.0),
        ("East Asian", 2, 0.5),
        ("Male", 2, 0.0),
        ("Female", 2, 0.5),
    ]


def test_groups_too_small_to_judge_are_told_and_decide_nothing(capsys):
    few, many = (int8_losses.Loss("gender", "Female", count, 0.9, 0.82) for count in (199, 200))
    faces = face_set.FaceSet(np.zeros((0, 2, 2, 3), np.uint8), {"gender": np.zeros(0)}, ())
    int8_losses.tell_losses([few], faces=replace(faces, classes={}))
    assert "-8.00 points  (too few to judge)" in capsys.readouterr().out
    int8_losses.check_losses([few])
    with pytest.raises(int8_losses.ExportRefused, match="gender of Female 8"):
        int8_losses.check_losses([many])


def test_without_labels_of_race_the_groups_are_those_of_the_attribute():
    own = face_set.own_classes("gender", ("Male", "Female", "Non-binary"))
    targets = {"gender": np.array([0, 2, -1, 2])}
    faces = face_set.FaceSet(np.zeros((4, 2, 2, 3), np.uint8), targets, ("a", "b", "c", "d"), {"gender": own})
    losses = int8_losses.measure_losses(say([0, 2, 1, 2], own), after=say([0, 2, 1, 1], own), faces=faces)
    assert [(loss.group, loss.images, round(loss.lost, 2)) for loss in losses] == [
        ("all", 3, 0.33),
        ("Male", 1, 0.0),
        ("Non-binary", 2, 0.5),
    ]
    strangers = replace(faces, classes={"gender": face_set.own_classes("gender", ("x", "y", "z"))})
    with pytest.raises(int8_losses.ExportRefused, match="none that the network gives"):
        int8_losses.measure_losses(say([0, 2, 1, 2], own), after=say([0, 2, 1, 1], own), faces=strangers)


def test_int8_is_not_measured_on_images_of_the_training(tiny, on_faces, tmp_path, capsys):
    net, card = tiny
    trained = replace(card, recipe={"data": {"shards": ["train-0.zip"], "held_out": 10}})
    checkpoint.save(tmp_path / "trained", net=net, card=trained)
    with pytest.raises(SystemExit):
        export.main(["--model", str(tmp_path / "trained"), "--out", str(tmp_path / "out"), "--int8", *on_faces])
    assert "was trained on 54 of the 64 images" in capsys.readouterr().err


def test_labels_of_its_own_and_any_data_set_can_be_exported(tiny, small_fairface, tmp_path, monkeypatch, capsys):
    net, card = tiny
    names = ("Female", "Male", "Non-binary")
    net = network.AttributeNet(net.trunk, attributes={"gender": names}).eval()
    checkpoint.save(tmp_path / "model", net=net, card=replace(card, labels={"gender": names}))
    lines = [f"train/{number}.webp {names[1 - number % 2]}\n" for number in range(1, 65)]
    (tmp_path / "list.txt").write_text("".join(lines))
    monkeypatch.setattr(int8_losses, "LARGEST_LOSS", 1.0)
    named = ["--data", str(small_fairface), "--list", str(tmp_path / "list.txt"), "--attribute", "gender"]
    arguments = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--int8", "--name", "mine"]
    assert export.main([*arguments, *named, "--classes", ",".join(names)]) == 0
    assert "gender Female" in capsys.readouterr().out
    runtime = OnnxRuntime.load(tmp_path / "out", own_labels=True)
    assert (runtime.card.name, runtime.card.labels) == ("mine", {"gender": names})
    with pytest.raises(cards.OtherLabels):
        OnnxRuntime.load(tmp_path / "out")


def test_calibration_chips_are_not_measured_on(small_fairface):
    faces = fairface.read_fairface(small_fairface, shards=["train-0.zip"], label_file=fairface.TRAIN_CSV, size=16)
    calibration, measured = int8_losses.split_faces(faces)
    assert len(calibration) + len(measured) == 64
    seen = {chip.tobytes() for chip in calibration}
    assert not any(chip.tobytes() in seen for chip in measured.images)
    with pytest.raises(int8_losses.ExportRefused, match="1 faces"):
        int8_losses.split_faces(faces.slice(0, 1))


def test_a_failure_while_writing_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(SystemExit):
        export.main(["--model", str(model), "--out", str(tmp_path / "out")])
    assert not list((tmp_path / "out").iterdir())


def test_a_checkpoints_own_card_is_never_replaced(model, capsys):
    with pytest.raises(SystemExit) as end:
        export.main(["--model", str(model), "--out", str(model)])
    assert end.value.code == 2
    assert "holds a checkpoint" in capsys.readouterr().err
    checkpoint.load(model)


@pytest.mark.parametrize("arguments", [["--int8"], ["--out", "{file}"], ["--out", "{file}/deeper"]])
def test_arguments_that_cannot_work_end_with_2(model, tmp_path, arguments):
    (tmp_path / "file").write_text("")
    more = [argument.format(file=tmp_path / "file") for argument in arguments]
    with pytest.raises(SystemExit) as end:
        export.main(["--model", str(model), "--out", str(tmp_path / "out"), *more])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--model", "{folder}/no"], "no model.json in"), (["--data", "{folder}"], fairface.VAL_CSV)],
)
def test_bad_input_is_told_in_a_sentence(model, tmp_path, capsys, arguments, told):
    given = ["--model", str(model), "--out", str(tmp_path / "out"), *arguments]
    with pytest.raises(SystemExit) as end:
        export.main([argument.format(folder=tmp_path) for argument in given])
    assert end.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("arch", "size"), [("face_resnet29", 150), ("resnet18", 64), ("test_vit", 64)])
def test_every_kind_of_trunk_can_be_exported(arch, size):
    torch.manual_seed(1)
    preset = Preset(size=size, mean=IMAGENET_PRESET.mean, scale=IMAGENET_PRESET.scale)
    card = cards.ModelCard(name="other", arch=arch, labels=labels.ATTRIBUTES, preset=preset)
    net = network.AttributeNet(trunks.create_trunk(arch, size=size), attributes=labels.ATTRIBUTES).eval()
    runtime = OnnxRuntime(export.to_onnx(net, card=card), card)
    chips = export.generate_chips(size)[:3]
    assert export.largest_difference(net, runtime=runtime, chips=chips) < export.LOGIT_TOLERANCE
