"""Networks of two kinds in one checkpoint: what they say together, in every runtime, and what is told of them."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ml import adjust, export, join, labels, metrics
from ml.datasets import face_set
from ml.model import card as cards
from ml.model import checkpoint, gradients, heat_map, joint, network, runtime, trunks
from ml.preprocess import LITE_PRESET, Preset
from ml.training import recipe, setup
from ml.training.module import Teacher
from tests import pictures
from tests.ml.conftest import TinyTrunk

OTHER, SIDE = "test_efficientnet", 48
WEIGHTS, VIEWS = (0.7, 0.3), ("both", "straight")
TEMPERATURES = {"race": 0.5, "gender": 2.0, "age": 0.8}


def lite_member(*, margin: float = 0.25, size: int = SIDE) -> join.Trained:
    """A small network of timm's EfficientNets, with normalisations that do something."""
    torch.manual_seed(3)
    net = network.AttributeNet(trunks.create_trunk(OTHER), attributes=labels.ATTRIBUTES)
    for head in net.heads.values():
        torch.nn.init.normal_(head.get_parameter("weight"), std=0.3)
    for _ in range(3):
        net.train()(torch.randn(8, 3, 64, 64))
    preset = replace(LITE_PRESET, size=size, margin=margin)
    told = {"arch": OTHER, "labels": labels.ATTRIBUTES, "temperatures": TEMPERATURES, "sha256": "b" * 64}
    return net.eval(), cards.ModelCard(name="lite", preset=preset, licence="none; start: Apache-2.0", **told)


@pytest.fixture
def two(tiny) -> list[join.Trained]:
    net, card = tiny
    return [(net, replace(card, sha256="a" * 64)), lite_member()]


@pytest.fixture
def both(two) -> join.Trained:
    return join.join_networks(two, name="both", weights=WEIGHTS, views=VIEWS)


@pytest.fixture
def folder(both, tmp_path) -> Path:
    checkpoint.save(tmp_path / "both", net=both[0], card=both[1])
    return tmp_path / "both"


def some_chips(count: int, *, side: int = SIDE, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_they_say_the_weighted_mean_of_their_log_probabilities(two, folder):
    chips = some_chips(5)
    found = runtime.TorchRuntime.load(folder, precision="float32").probabilities(chips)
    x = torch.from_numpy(chips).permute(0, 3, 1, 2).float()
    smaller = functional.interpolate(x, size=(32, 32), mode="bilinear", antialias=True)
    (tiny_net, tiny_card), (lite_net, _) = two
    small = (smaller - torch.tensor(tiny_card.preset.mean).view(1, 3, 1, 1)) * tiny_card.preset.scale
    large = (x - 127) / 128
    with torch.inference_mode():
        first = {name: (tiny_net(small)[name] + tiny_net(small.flip(3))[name]) / 2 for name in labels.ATTRIBUTES}
        second = lite_net(large)  # which sees each face once
    for name in labels.ATTRIBUTES:
        logs = [
            torch.log_softmax(said[name] / temperature[name], 1)
            for said, temperature in ((first, tiny_card.temperatures), (second, TEMPERATURES))
        ]
        expected = metrics.softmax((WEIGHTS[0] * logs[0] + WEIGHTS[1] * logs[1]).double().numpy())
        assert expected.std() > 0.01
        assert np.allclose(found[name], expected, atol=5e-3)  # weights are kept in float16


def test_as_a_teacher_each_sees_its_own_view(folder):
    """What a run learns from is the product's answer, and that of the folder's card."""
    chips = some_chips(3)
    teacher = Teacher.load(folder)
    said = teacher.ask(torch.from_numpy(chips).permute(0, 3, 1, 2).float())
    expected = runtime.TorchRuntime.load(folder, precision="float32").probabilities(chips)
    for name in labels.ATTRIBUTES:
        assert np.allclose(said[name].detach().numpy(), expected[name], atol=1e-4)


def test_the_card_tells_of_each_and_is_read_as_it_was_written(two, folder):
    card = cards.read_card(folder)
    assert (card.name, card.arch) == ("both", f"tiny+{OTHER}")
    assert card.preset == replace(two[0][1].preset, size=SIDE)
    assert [(one.name, one.weight, one.views, one.sha256[0]) for one in card.members] == [
        ("tiny-1", 0.7, "both", "a"),
        ("lite", pytest.approx(0.3), "straight", "b"),
    ]
    assert [one.preset for one in card.members] == [of.preset for _, of in two]
    assert card.members[1].temperatures == TEMPERATURES
    assert card.members[0].parameters == sum(one.numel() for one in two[0][0].parameters())
    assert (card.temperatures, card.licence) == ({}, "none; start: Apache-2.0")
    assert cards.parse_card(cards.card_values(card) | {"sha256": card.sha256}, source="here") == card


@pytest.mark.parametrize(("side", "size", "share"), [(48, 32, 1.0), (30, 40, 1.0), (60, 32, 0.6), (48, 20, 0.5)])
def test_a_member_gets_the_middle_at_its_size_as_torch_resamples_it(side, size, share):
    x = torch.rand(2, 3, side, side)
    cut = round(side * (1 - share) / 2)
    inner = x[:, :, cut : side - cut, cut : side - cut]
    rows = joint.resampling_rows(side, size=size, share=share)
    found = rows @ x @ rows.T
    expected = functional.interpolate(inner, size=(size, size), mode="bilinear", antialias=True)
    rim = slice(0, size) if share == 1.0 else slice(2, -2)  # the middle's own surroundings count too, as they should
    assert torch.allclose(found[..., rim, rim], expected[..., rim, rim], atol=1e-5)


def test_the_chip_shows_all_that_any_member_sees(two):
    wide = lite_member(margin=0.5, size=64)
    net, card = join.join_networks([two[0], wide], name="wide")
    assert (card.preset.margin, card.preset.size) == (0.5, 64)  # 32 pixels with 0.25 are 43 of these
    assert [part.share for part in net.parts()] == [pytest.approx(1.5 / 2), 1.0]
    found = gradients.explain_chip(net, card, some_chips(1, side=64)[0], attribute="race")
    assert (found.values.shape, found.shown) == ((64, 64), pytest.approx(2 / 1.5))


def test_bfloat16_asks_them_again_where_it_is_close(both, monkeypatch):
    chips = some_chips(40)
    exact = runtime.TorchRuntime(*both, precision="float32").logits(chips)
    fast = runtime.TorchRuntime(*both, precision="bfloat16")
    fast._fast_net = copy.deepcopy(fast._net)
    for part in fast._fast_net.parts():  # as on a GPU
        network.narrow_weights(part.trunk, dtype=torch.bfloat16)
    rough = fast.logits(chips)
    assert all(np.allclose(rough[name], exact[name], atol=0.2) for name in exact)
    assert not np.array_equal(rough["race"], exact["race"])
    monkeypatch.setattr(runtime, "CLOSE_CALL", 1e9)
    settled = fast.logits(chips)
    assert all(np.allclose(settled[name], exact[name], atol=1e-5) for name in exact)


def test_a_gpus_one_batch_of_both_flips_says_the_same(both):
    net, card = both
    x = torch.randn(3, 3, SIDE, SIDE)
    with torch.inference_mode():
        apart, together = net.look(x), net.look(x, together=True)
    assert all(torch.allclose(apart[name], together[name], atol=1e-5) for name in card.labels)


def test_onnx_runtime_says_what_torch_says(folder, tmp_path):
    assert export.main(["--model", str(folder), "--out", str(tmp_path / "onnx")]) == 0
    exported = runtime.OnnxRuntime.load(tmp_path / "onnx")
    assert exported.card.members == cards.read_card(folder).members
    chips = some_chips(3)
    expected = runtime.TorchRuntime.load(folder, precision="float32").logits(chips)
    found = exported.logits(chips, attributes=frozenset({"age"}))
    assert list(found) == ["age"]
    assert np.allclose(found["age"], expected["age"], atol=export.LOGIT_TOLERANCE)


class Edge(torch.nn.Module):
    """Leaves of maps the upper or the lower quarter."""

    def __init__(self, *, upper: bool) -> None:
        super().__init__()
        self.upper = upper

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen, quarter = torch.zeros_like(x), x.shape[2] // 4
        seen[:, :, slice(0, quarter) if self.upper else slice(-quarter, None)] = 1
        return x * seen


class EdgeTrunk(trunks.Trunk):
    features = 4

    def __init__(self, *, upper: bool) -> None:
        super().__init__()
        conv = torch.nn.Conv2d(3, 4, 4, stride=4, bias=False)
        self.stage = torch.nn.Sequential(conv, torch.nn.ReLU(), Edge(upper=upper))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stage(x).mean(dim=(2, 3))


def test_what_mattered_is_shared_as_their_answers_are(tiny_card):
    trained = []
    for upper in (True, False):
        torch.manual_seed(5)
        net = network.AttributeNet(EdgeTrunk(upper=upper), attributes=labels.ATTRIBUTES).eval()
        trained.append((net, replace(tiny_card, name=f"edge-{upper}", temperatures={}, preset=Preset(size=64))))
    chip = np.asarray(pictures.picture(64, 64, seed=3))
    even, uneven = (join.join_networks(trained, name="edges", weights=weights) for weights in ((0.5, 0.5), (0.9, 0.1)))
    label = gradients.explain_chip(*even, chip, attribute="gender").label
    for method in heat_map.METHODS:
        found = [
            np.abs(gradients.explain_chip(*one, chip, attribute="gender", label=label, method=method).values)
            for one in (even, uneven)
        ]
        upper, lower = (np.array([heat[rows].sum() for heat in found]) for rows in (slice(0, 16), slice(48, 64)))
        assert lower[1] / upper[1] == pytest.approx(lower[0] / upper[0] / 9, rel=0.2), method


def test_a_mirrored_view_is_the_straight_one_of_the_mirror_image(two):
    straight, mirrored = (
        join.join_networks(two, name="one", weights=WEIGHTS, views=("both", view)) for view in ("straight", "mirrored")
    )
    chip = some_chips(1, side=64)[0][:SIDE, :SIDE]
    there, back = (runtime.TorchRuntime(*one, precision="float32") for one in (straight, mirrored))
    expected = there.logits(chip[None, :, ::-1].copy())["race"]
    assert np.allclose(back.logits(chip[None])["race"], expected, atol=1e-4)
    assert not np.allclose(there.logits(chip[None])["race"], expected, atol=1e-4)
    heat = [
        one.explain(seen, attribute="race", label="Black", method=heat_map.GRADCAM).values
        for one, seen in ((back, chip), (there, chip[:, ::-1].copy()))
    ]
    assert np.allclose(heat[0], heat[1][:, ::-1], atol=1e-3)


def test_what_the_heads_look_at_is_all_that_they_look_at(two, both):
    chips = some_chips(3, side=SIDE)
    found = runtime.TorchRuntime(*both, precision="float32").features(chips)
    alone = runtime.TorchRuntime(*two[1], precision="float32").features(chips)
    assert found.shape == (3, TinyTrunk.features + alone.shape[1])
    assert np.allclose(found[:, TinyTrunk.features :], alone, atol=1e-4)


def test_shap_values_add_up_to_what_they_say_together(both):
    found = gradients.explain_chip(*both, some_chips(1)[0], attribute="race", method=heat_map.SHAP)
    difference = found.output - found.reference_output
    assert found.values.sum() == pytest.approx(difference, abs=0.1 * abs(difference) + 0.02)


class Unmapped(trunks.Trunk):
    """Keeps no map, and chooses by what it sees, which no graph can say."""

    features = 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) if x.mean() > 0 else x.amax(dim=(2, 3))


def test_a_member_that_cannot_be_explained_or_exported_is_named(two):
    net = network.AttributeNet(Unmapped(), attributes=labels.ATTRIBUTES).eval()
    stubborn = (net, replace(two[0][1], name="stubborn"))
    joined, card = join.join_networks([two[1], stubborn], name="both")
    with pytest.raises(gradients.NoMap, match="stubborn, a member of both, keeps no map"):
        gradients.explain_chip(joined, card, some_chips(1)[0], attribute="race")
    with pytest.raises(export.CannotExport, match="stubborn, a member of both, cannot be exported"):
        export.to_onnx(joined, card=card)


def test_rare_groups_get_their_weight_in_what_they_say_together(both):
    net, card = both
    targets = {"race": np.array([0, 0, 0, *range(7)]), "gender": np.zeros(10, int), "age": np.zeros(10, int)}
    faces = face_set.FaceSet(some_chips(10), targets, tuple("abcdefghij"))
    with pytest.raises(join.BadRecipe, match="calibrate it first"):
        adjust.adjust_head(net, card, faces=faces, attribute="race", strength=1.0)
    x = torch.randn(2, 3, SIDE, SIDE)
    before = net(x)["race"].detach().clone()
    adjust.adjust_head(net, replace(card, temperatures={"race": 2.0}), faces=faces, attribute="race", strength=1.0)
    moved = (net(x)["race"] - before).detach()
    assert torch.allclose(moved[:, 1] - moved[:, 0], torch.tensor(2 * np.log(4.0)).float().expand(2), atol=1e-5)


def test_a_card_whose_members_cannot_be_is_damaged(folder):
    values = cards.card_values(cards.read_card(folder)) | {"sha256": "0"}
    first, second = values["members"]
    for members in (
        [first],
        [first, second | {"weight": 0.5}],
        [first, second | {"views": "none"}],
        [first, {}],
        [1, 2],
    ):
        with pytest.raises(cards.DamagedCheckpoint, match="is incomplete"):
            cards.parse_card(values | {"members": members}, source="here")


def test_reviewed_faces_of_every_member_are_kept_in_mind(two):
    learned = [
        (net, replace(card, recipe={"reviewed_faces": uids}))
        for (net, card), uids in zip(two, ("ba", "bc"), strict=True)
    ]
    assert join.join_networks(learned, name="both")[1].recipe["reviewed_faces"] == ["a", "b", "c"]


def test_weights_of_another_set_of_members_are_damaged(folder, both, two):
    card = replace(both[1], members=both[1].members[::-1])
    checkpoint.save(folder, net=both[0], card=card)
    with pytest.raises(cards.DamagedCheckpoint, match="size mismatch"):
        checkpoint.load(folder)
    path = folder / cards.CARD_FILE
    path.write_text(path.read_text().replace('"weight": 0.7', '"weight": 0.70000001'))
    with pytest.raises(cards.DamagedCheckpoint, match="their hash differs"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"weights": [1.0]}, "1 weights for 2 checkpoints"),
        ({"weights": [1.0, 0.0]}, "a weight is a number over 0, not 1, 0"),
        ({"weights": [float("nan"), 1.0]}, "a weight is a number over 0, not nan, 1"),
        ({"views": ["both"]}, "1 views for 2 checkpoints"),
        ({"views": ["both", "2"]}, "views are both, straight, mirrored, not both, 2"),
    ],
)
def test_weights_and_views_that_cannot_be_are_told(two, given, told):
    with pytest.raises(join.BadRecipe, match=told):
        join.join_networks(two, name="both", **given)


def test_a_joint_one_is_not_joined_again_and_a_missing_member_is_told(both, two, folder, tmp_path, capsys):
    with pytest.raises(join.BadRecipe, match="both has been joined already"):
        join.join_networks([both, two[0]], name="more")
    gone = ["--model", str(tmp_path / "gone"), "--out", str(tmp_path / "out"), "--name", "more"]
    with pytest.raises(SystemExit) as end:
        join.main(["--model", str(folder), *gone])
    assert end.value.code == 2
    assert f"no {cards.CARD_FILE} in {tmp_path / 'gone'}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_starts_from_the_member_of_its_kind(folder):
    net, _ = checkpoint.load(folder)
    wanted = recipe.Recipe(name="next", arch=OTHER, start=str(folder), size=SIDE)
    started = setup.build_net(
        wanted, heads=labels.ATTRIBUTES, images=np.empty(0), preset=replace(LITE_PRESET, size=SIDE)
    )
    theirs, ours = net.get_submodule("nets.1.trunk").state_dict(), started.trunk.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    with pytest.raises(join.BadRecipe, match="the recipe wants a test_resnet"):
        setup.build_net(replace(wanted, arch="test_resnet"), heads={}, images=np.empty(0), preset=LITE_PRESET)


def test_the_trunk_of_a_network_by_itself_is_its_only_part():
    (part,) = network.AttributeNet(TinyTrunk(), attributes=labels.ATTRIBUTES).parts()
    assert (part.weight, part.share) == (1.0, 1.0)
