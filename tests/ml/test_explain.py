"""Explanations: that they add up, that they find what a network looks at, and that they can be had and read."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ml import explain, labels
from ml.model import card as cards
from ml.model import checkpoint, gradients, heat_map, network, trunks
from ml.model.runtime import OnnxRuntime, Runtime
from ml.preprocess import IMAGENET_PRESET, Preset
from tests import pictures

SIZE = 64


class Corner(torch.nn.Module):
    """Leaves of maps the upper left corner, a quarter of the side wide, and nothing else."""

    def forward(self, x):
        side = x.shape[2]
        seen = torch.zeros_like(x)
        seen[:, :, : side // 4, : side // 4] = 1
        return x * seen


class CornerTrunk(trunks.Trunk):
    features = 4

    def __init__(self) -> None:
        super().__init__()
        self.stage = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, kernel_size=3, stride=2, padding=1), torch.nn.ReLU(), Corner()
        )

    def forward(self, x):
        return self.stage(x).mean(dim=(2, 3))


def made_net(trunk, *, size=SIZE, attributes=labels.ATTRIBUTES):
    torch.manual_seed(5)
    net = network.AttributeNet(trunk, attributes=attributes).eval()
    preset = Preset(size=size, mean=IMAGENET_PRESET.mean, scale=IMAGENET_PRESET.scale)
    return net, cards.ModelCard(name="made", arch="made", labels=attributes, preset=preset)


@pytest.fixture
def chip() -> np.ndarray:
    return np.asarray(pictures.picture(SIZE, SIZE, seed=3))


@pytest.fixture
def corner():
    torch.manual_seed(5)
    return made_net(CornerTrunk())


@pytest.mark.parametrize("method", heat_map.METHODS)
def test_a_network_that_sees_one_corner_alone_lights_it_up_and_nothing_else(corner, chip, method):
    net, card = corner
    found = gradients.explain_chip(net, card, chip, attribute="gender", method=method)
    if method == heat_map.GRADCAM and not found.values.any():  # all of it spoke for the other one
        other = next(name for name in labels.GENDER if name != found.label)
        found = gradients.explain_chip(net, card, chip, attribute="gender", label=other, method=method)
    strength = np.abs(found.values)
    reach = SIZE // 4 + 4  # the kernel's, and what enlarging the map spreads
    left, right = strength[:reach, :reach].sum(), strength[:reach, -reach:].sum()
    assert left > 0
    assert right > 0  # where the mirror image shows its upper left corner
    assert left + right == pytest.approx(strength.sum())


def test_grad_cam_finds_the_place_a_channel_answers_to():
    """One bright square in a dark chip, and a network that answers to brightness: the map is the square."""

    class BrightTrunk(trunks.Trunk):
        features = 1

        def __init__(self) -> None:
            super().__init__()
            conv = torch.nn.Conv2d(3, 1, kernel_size=4, stride=4, bias=False)
            torch.nn.init.constant_(conv.weight, 1.0)
            self.stage = torch.nn.Sequential(conv, torch.nn.ReLU())

        def forward(self, x):
            return self.stage(x).mean(dim=(2, 3))

    net, card = made_net(BrightTrunk(), attributes={"gender": labels.GENDER})
    with torch.no_grad():
        net.heads["gender"].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    chip = np.zeros((SIZE, SIZE, 3), np.uint8)
    chip[8:24, 40:56] = 255
    found = gradients.explain_chip(net, card, chip, attribute="gender", label="Male", method=heat_map.GRADCAM)
    assert found.values.shape == (SIZE, SIZE)
    assert found.values[12:20, 44:52].min() > 0.9
    assert found.values[32:, :32].max() < 0.05
    against = gradients.explain_chip(net, card, chip, attribute="gender", label="Female", method=heat_map.GRADCAM)
    assert against.values.max() == 0  # what speaks against a label is cut off


@pytest.mark.parametrize("seed", [1, 2])
def test_shap_values_add_up_to_the_difference_from_the_references(tiny, seed):
    net, card = tiny
    chip = np.asarray(pictures.picture(32, 32, seed=seed))
    found = gradients.explain_chip(net, card, chip, attribute="race", method=heat_map.SHAP)
    difference = found.output - found.reference_output
    assert found.values.sum() == pytest.approx(difference, abs=0.1 * abs(difference) + 0.01)
    assert found.gap == pytest.approx(found.values.sum() - difference)


def test_shap_values_of_the_default_model_add_up_and_explain_what_is_answered(pipeline, astronaut):
    chip = explain.cut_for(
        pipeline.card.preset,
        astronaut,
        chip=explain.find_face(astronaut, number=1, detector=pipeline.detector),
        aligned=False,
    )
    answered = pipeline.runtime.probabilities(chip[None])
    for attribute in ("race", "gender"):
        found = pipeline.runtime.explain(chip, attribute=attribute, method=heat_map.SHAP)
        position = labels.ATTRIBUTES[attribute].index(found.label)
        assert position == answered[attribute][0].argmax()
        assert found.probability == pytest.approx(answered[attribute][0, position], abs=0.03)
        assert abs(found.gap) < 0.25 * abs(found.output - found.reference_output) + 0.25


def test_what_is_explained_is_the_calibrated_answer_over_both_flips(tiny):
    net, card = tiny
    chip = np.asarray(pictures.picture(32, 32, seed=4))
    mirrored = np.ascontiguousarray(chip[:, ::-1])
    straight, turned = (
        gradients.explain_chip(net, card, pixels, attribute="race", method=heat_map.GRADCAM, label="Indian")
        for pixels in (chip, mirrored)
    )
    assert straight.probability == pytest.approx(turned.probability, abs=1e-5)
    assert np.allclose(straight.values, turned.values[:, ::-1], atol=1e-4)
    assert straight.output == pytest.approx(np.log(straight.probability / (1 - straight.probability)), abs=1e-3)


def test_the_same_question_has_the_same_answer_and_leaves_chance_as_it_was(tiny):
    net, card = tiny
    chip = np.asarray(pictures.picture(32, 32, seed=4))
    np.random.seed(9)
    torch.manual_seed(9)
    expected = np.random.uniform(), float(torch.rand(1))
    np.random.seed(9)
    torch.manual_seed(9)
    once = gradients.explain_chip(net, card, chip, attribute="age", method=heat_map.SHAP)
    assert (np.random.uniform(), float(torch.rand(1))) == expected
    again = gradients.explain_chip(net, card, chip, attribute="age", method=heat_map.SHAP)
    assert np.array_equal(once.values, again.values)


@pytest.mark.parametrize(
    ("arch", "size", "places"),
    [
        ("face_resnet29", 150, 8),
        ("resnet18", 64, 8),
        ("resnet18", 224, 7),
        ("test_resnet", 96, 12),
        ("mobilenetv3_small_050", 96, 12),
        ("test_vit", 96, 6),
    ],
)
def test_grad_cam_takes_the_last_stage_that_tells_where(arch, size, places):
    torch.manual_seed(1)
    trunk = trunks.create_trunk(arch, size=size)
    net, card = made_net(trunk, size=size)
    net = network.fold_norms(net).requires_grad_(False)
    chip = np.asarray(pictures.picture(size, size, seed=3))
    found = gradients.explain_chip(net, card, chip, attribute="race", method=heat_map.GRADCAM)
    assert found.places == places
    assert found.values.shape == (size, size)
    assert 0 <= found.values.min() <= found.values.max() <= 1


def test_a_network_without_a_map_is_told_for_grad_cam_and_has_shap_values(chip):
    class FlatTrunk(trunks.Trunk):
        features = 3

        def forward(self, x):
            return x.mean(dim=(2, 3))

    net, card = made_net(FlatTrunk())
    with pytest.raises(gradients.NoMap, match="SHAP"):
        gradients.explain_chip(net, card, chip, attribute="race", method=heat_map.GRADCAM)
    assert gradients.explain_chip(net, card, chip, attribute="race", method=heat_map.SHAP).values.any()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"attribute": "height"}, "height"), ({"label": "Martian"}, "Martian"), ({"method": "guess"}, "gradcam, shap")],
)
def test_names_that_are_not_known_are_told(tiny, wrong, told):
    net, card = tiny
    chip = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=told):
        gradients.explain_chip(net, card, chip, **({"attribute": "race", "method": heat_map.GRADCAM} | wrong))


def test_an_exported_model_says_that_it_has_no_gradients(tiny):
    runtime = object.__new__(OnnxRuntime)
    runtime.card = tiny[1]
    with pytest.raises(gradients.CannotExplain, match="no gradients") as caught:
        Runtime.explain(runtime, np.zeros((32, 32, 3), np.uint8), attribute="race", method=heat_map.SHAP)
    assert caught.value.code == "no_gradients"


def made_explanation(values, method=heat_map.SHAP, **more):
    more = {"output": 1.0, "reference_output": 0.0 if method == heat_map.SHAP else None} | more
    return heat_map.Explanation(method, "race", "Black", 0.7, np.asarray(values, np.float32), len(values), **more)


def test_parts_of_the_face_have_what_lies_on_them():
    values = np.zeros((100, 100))
    values[20:30, 25:40] = 1.0  # the left eye
    values[65:72, 40:60] = -0.5  # the mouth
    sums = heat_map.region_sums(made_explanation(values))
    assert sums["eyes and brows"] == pytest.approx(150)
    assert sums["mouth"] == pytest.approx(-70)
    assert sum(sums.values()) == pytest.approx(80)
    shares = heat_map.region_sums(made_explanation(np.abs(values), heat_map.GRADCAM))
    assert shares["eyes and brows"] == pytest.approx(150 / 220)
    assert sum(heat_map.region_sums(made_explanation(np.zeros((9, 9)), heat_map.GRADCAM)).values()) == 0


def test_a_wider_chip_has_its_face_in_the_middle():
    values = np.zeros((90, 90))
    values[33:36, 39:42] = 1.0  # an eye, where twice as much is shown
    assert heat_map.region_sums(made_explanation(values, shown=2.0))["eyes and brows"] == pytest.approx(9)
    assert heat_map.region_sums(made_explanation(values))["nose"] == pytest.approx(9)


def test_heat_is_clear_where_nothing_mattered_and_coloured_by_its_sign():
    values = np.zeros((60, 60))
    values[5:15, 5:15], values[45:55, 45:55] = 1.0, -1.0
    drawn = np.asarray(heat_map.draw_heat(made_explanation(values)))
    assert tuple(drawn[10, 10, :3]) == heat_map.FOR
    assert tuple(drawn[50, 50, :3]) == heat_map.AGAINST
    assert drawn[30, 30, 3] == 0
    assert drawn[10, 10, 3] > 200
    assert not np.asarray(heat_map.draw_heat(made_explanation(np.zeros((9, 9)))))[..., 3].any()
    assert heat_map.heat_png(made_explanation(values)).startswith(b"\x89PNG")


# --- The command


@pytest.fixture
def model_dir(tiny, tmp_path):
    net, card = tiny
    checkpoint.save(tmp_path / "model", net=net, card=card)
    return tmp_path / "model"


@pytest.fixture
def chip_file(tmp_path):
    path = tmp_path / "chip.png"
    pictures.picture(80, 80, seed=2).save(path)
    return path


@pytest.mark.parametrize(("method", "width"), [("gradcam", 2), ("shap", 2), ("both", 3)])
def test_the_command_writes_a_picture_and_says_where_the_heat_lies(
    model_dir, chip_file, tmp_path, capsys, method, width
):
    out = tmp_path / "why" / "out.png"
    command = [str(chip_file), "--aligned", "--attribute", "gender", "--model", str(model_dir), "--out", str(out)]
    assert explain.main([*command, "--method", method]) == 0
    with Image.open(out) as image:
        assert image.mode == "RGB"  # a palette would cut the face's colours into patches
        assert image.width / image.height == pytest.approx(width * explain.PANEL_INCHES / 4.9, abs=0.05)
    told = capsys.readouterr().out
    assert "perceived gender:" in told
    assert "eyes and brows" in told
    assert not list(out.parent.glob("*.part"))


def test_the_command_explains_a_face_in_a_photo(astronaut, tmp_path, capsys):
    out, photo = tmp_path / "out.png", tmp_path / "photo.png"
    astronaut.save(photo)
    command = [str(photo), "--attribute", "age", "--label", "30-39", "--method", "gradcam", "--out", str(out)]
    assert explain.main(command) == 0
    assert "perceived age: 30-39" in capsys.readouterr().out
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--attribute", "height"], "height"),
        (["--label", "Martian"], "Martian"),
        (["--model", "/nowhere"], "model.json"),
        (["--out", "picture.jpg"], ".png"),
        (["--device", "nonsense"], "no device 'nonsense'"),
        (["--device", "mps"], "no device 'mps'"),
    ],
)
def test_bad_input_is_one_line(model_dir, chip_file, tmp_path, capsys, more, told):
    command = [str(chip_file), "--aligned", "--model", str(model_dir), "--out", str(tmp_path / "out.png")]
    with pytest.raises(SystemExit) as caught:
        explain.main([*command, *more])
    assert caught.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in last
    assert not (tmp_path / "out.png").exists()


def test_a_file_that_is_no_photo_a_missing_face_and_an_exported_model_are_told(model_dir, chip_file, tmp_path, capsys):
    def error_of(*command):
        with pytest.raises(SystemExit):
            explain.main([*map(str, command), "--out", str(tmp_path / "out.png")])
        return capsys.readouterr().err.strip().splitlines()[-1]

    notes = tmp_path / "notes.jpg"
    notes.write_text("nothing")
    assert "not a photo" in error_of(notes, "--model", model_dir)
    assert "no face was found" in error_of(chip_file, "--model", model_dir)
    (model_dir / "model.safetensors").rename(model_dir / "model.onnx")
    assert "no gradients" in error_of(chip_file, "--aligned", "--model", model_dir)


def test_a_checkpoint_with_labels_of_its_own_is_explained(tmp_path, chip_file, monkeypatch, capsys):
    from tests.ml.conftest import TinyTrunk

    create = trunks.create_trunk
    monkeypatch.setattr(
        trunks, "create_trunk", lambda arch, **more: TinyTrunk() if arch == "tiny" else create(arch, **more)
    )
    torch.manual_seed(3)
    own = {"gender": ("Male", "Female", "Non-binary")}
    net = network.AttributeNet(TinyTrunk(), attributes=own).eval()
    card = cards.ModelCard(name="own", arch="tiny", labels=own, preset=Preset(size=32))
    checkpoint.save(tmp_path / "own", net=net, card=card)
    assert json.loads((tmp_path / "own" / "model.json").read_text())["labels"]["gender"] == list(own["gender"])
    command = [str(chip_file), "--aligned", "--attribute", "gender", "--label", "Non-binary", "--method", "shap"]
    assert explain.main([*command, "--model", str(tmp_path / "own"), "--out", str(tmp_path / "o.png")]) == 0
    assert "Non-binary" in capsys.readouterr().out
