"""The model card: every number from the measures, what it refuses said, reports of other checkpoints refused."""

import io
import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from ml import compare, evaluate, labels, write_card
from ml.datasets.seen import BY_CONTENT
from ml.measuring import stored
from ml.model import checkpoint, network, trunks
from ml.model.card import WEIGHTS_FILE, ModelCard, read_card, read_pair, write_pair
from ml.model.members import Member
from ml.preprocess import Preset
from ml.reporting import markdown, model_card
from tests.ml.conftest import TinyTrunk

RECIPE = {"epochs": 3, "seed": 5, "start": "random", "data": {"shards": ["other-0.zip"]}, "images": 64}

ABOUT = {"name": "x", "source": "y", "images": 64, "sha256": "0"}


@pytest.fixture(scope="module")
def made(small_fairface, tiny_card, tmp_path_factory):
    """The folder of a tiny checkpoint with a recipe and a calibration, and what ml.evaluate wrote of it."""
    folder = tmp_path_factory.mktemp("made")
    fitted = {
        "images": 2500,
        "untouched": BY_CONTENT,
        "race": {"ece_before": 0.0671, "ece_after": 0.0242, "targets": {"fairface-7": 0.8}},
    }
    card = replace(
        tiny_card,
        thresholds={"race": {"fairface-7": 0.2}},
        metrics={"calibration": fitted},
        recipe=RECIPE,
        trained_on="FairFace, 64 images",
        licence="MIT",
    )
    place = ["--data", str(small_fairface), "--shard", "train-0.zip", "--labels", "fairface_label_train.csv"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trunks, "create_trunk", lambda arch, **more: TinyTrunk())
        torch.manual_seed(7)
        net = network.AttributeNet(TinyTrunk(), attributes=labels.ATTRIBUTES).eval()
        checkpoint.save(folder / "model", net=net, card=card)
        evaluate.main(["--model", str(folder / "model"), *place, "--json", str(folder / "evaluate.json")])
    return folder


@pytest.fixture
def model(made, tmp_path):
    return shutil.copytree(made / "model", tmp_path / "model")


@pytest.fixture
def measured(made, tmp_path):
    return shutil.copy(made / "evaluate.json", tmp_path / "evaluate.json")


def write(model, report, *more):
    assert write_card.main(["--model", str(model), "--report", str(report), *map(str, more)]) == 0
    return (model / "MODEL_CARD.md").read_text()


def rows_under(text, title):
    """The cells of the first table under a heading."""
    lines = text.split(f"# {title}\n", 1)[1].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_card_tells_what_was_measured(model, measured):
    text = write(model, measured)
    report = json.loads(measured.read_text())["measures"]
    overview = {row[0]: row for row in rows_under(text, "How well it does")}
    for name, label in (("race", "race (fairface-7)"), ("gender", "gender"), ("age", "age (9 groups)")):
        assert overview[label][1] == "64"
        assert overview[label][2] == f"{100 * report[name]['accuracy']:.1f}"
    groups = {row[0]: row for row in rows_under(text, "Race by group")}
    for name, of in report["race"]["groups"].items():
        assert groups[name][1] == str(of["labelled"])
        assert groups[name][2].startswith(f"{100 * of['recall']:.1f} (")
    confusion = rows_under(text, "What is taken for what")[2:]
    assert [[int(cell) for cell in row[1:]] for row in confusion] == report["race"]["confusion"]
    slices = rows_under(text, "By the quality of the picture")
    assert any(row[0].startswith("sharpness: blurriest quarter") for row in slices)


def test_the_card_tells_what_the_checkpoint_is_and_how_it_was_made(model, measured):
    text = write(model, measured)
    card = read_card(model)
    assert text.startswith("# Model card: tiny-1\n")
    facts = {row[0]: row[1] for row in rows_under(text, "Model card: tiny-1")}
    assert facts["Training"] == "3 epochs, 64 images, seed 5, all values below"
    assert facts["Start"] == "random weights"
    assert facts["Licence"] == "MIT"
    assert "CC BY 4.0" in facts["FairFace's licence"]
    assert "| data.shards | other-0.zip |" in text
    assert card.sha256 in text
    assert "2,500 images that no" in text
    calibration = {row[0]: row for row in rows_under(text, 'Calibration, and "unsure"')}
    assert calibration["race"][1:4] == ["1.500", "0.067", "0.024"]
    assert calibration["gender"][2] == "–"


def test_the_card_refuses_and_says_perceived(model, measured):
    text = " ".join(write(model, measured).split())
    for said in ("*perceived*", "Identifying, matching or tracking", "Article 5(1)(g)", "Article 9", "impressions"):
        assert said in text
    assert [title for title in ("## Intended use", "## Not to be used for", "## Limits") if title not in text] == []


def test_the_diagram_lies_beside_the_card(model, measured):
    text = write(model, measured)
    assert "](reliability.png)" in text
    picture = Image.open(io.BytesIO((model / "reliability.png").read_bytes()))
    assert picture.width > 600
    assert (model / "reliability.png").stat().st_size < 60_000


def test_every_table_has_as_many_cells_in_each_row(model, measured):
    text = write(model, measured)
    for block in re.split(r"\n\n", text):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_other_data_sets_the_whole_way_and_a_comparison_get_chapters(tiny, model, measured, small_fairface, tmp_path):
    report = json.loads(measured.read_text())
    other = {**report, "data": {**report["data"], "name": "utkface"}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    way = {"images": 64, "found": 0.967, "found_again": report["measures"], "same_chips": report["measures"]}
    measured.write_text(json.dumps({**report, "whole_way": way}))
    out = tmp_path / "compare.json"
    place = ["--data", str(small_fairface), "--shard", "train-0.zip", "--labels", "fairface_label_train.csv"]
    compare.main(["--production", str(model), "--candidate", str(model), *place, "--json", str(out)])
    text = write(model, measured, "--also", tmp_path / "other.json", "--compare", out)
    assert "not named in what it was trained on" in text.split("### On UTKFace")[1]
    assert "race (fairface-7)" in text.split("### On UTKFace")[1]
    assert "96.7 % of 64 were found" in text.split("## From the photo to the answer")[1]
    rows = rows_under(text, "Against tiny-1")
    assert rows[0][2:4] == ["production", "candidate"]
    assert rows[2][4] == "0.0"


def test_a_report_stays_good_once_it_is_recorded_in_the_card(tiny, model, measured):
    evaluate.record(model, report=stored.read_evaluation(json.loads(measured.read_text())))
    assert read_card(model).sha256 != json.loads(measured.read_text())["sha256"]
    assert read_card(model).sha256 in write(model, measured)


def test_a_card_goes_with_its_version_and_with_what_is_recorded_in_it_later(tiny, model, measured):
    text = write(model, measured)
    before, _ = read_pair(model, weights_file=WEIGHTS_FILE)
    evaluate.record(model, report=stored.read_evaluation(json.loads(measured.read_text())))
    recorded, _ = read_pair(model, weights_file=WEIGHTS_FILE)
    assert recorded.sha256 != before.sha256
    assert [model_card.is_of(text, card=card) for card in (before, recorded)] == [True, True]
    assert not model_card.is_of(text, card=replace(before, sha256="1" * 64, answers_sha256="2" * 64))
    assert not model_card.is_of(text, card=replace(before, name="another"))


def test_the_card_goes_where_it_is_told(model, measured, tmp_path):
    assert write_card.main(["--model", str(model), "--report", str(measured), "--out", str(tmp_path / "here")]) == 0
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["MODEL_CARD.md", "reliability.png"]
    assert not (model / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sha256": "0" * 64, "name": "other"}, "measures other 000000000000, not tiny-1"),
        ({"sha256": ""}, "(a CSV)"),
        ({"measures": {}}, "lacks measures"),
        ({"measures": {"race": {"accuracy": 1}}}, "lacks measures: evaluate again"),
        ({"measures": None}, "is not what ml.evaluate --json writes"),
        ({"data": {**ABOUT, "seen": True}}, "was trained on these images"),
        ({"data": {"name": "x"}}, "is not what ml.evaluate --json writes"),
    ],
)
def test_a_report_of_something_else_is_refused(model, measured, capsys, change, told):
    measured.write_text(json.dumps({**json.loads(measured.read_text()), **change}))
    with pytest.raises(SystemExit) as stopped:
        write(model, measured)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (model / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(("content", "told"), [("{", "is no JSON"), ("[]", "is no report")])
def test_a_damaged_report_is_told(model, tmp_path, capsys, content, told):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(SystemExit):
        write(model, tmp_path / "bad.json")
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_missing_files_are_told(model, tmp_path, capsys):
    for arguments in (("--report", "nowhere.json"), ("--model", "nowhere", "--report", "nowhere.json")):
        with pytest.raises(SystemExit) as stopped:
            write_card.main(["--model", str(model), *arguments])
        assert stopped.value.code == 2
        assert "nowhere" in capsys.readouterr().err.splitlines()[-1]


def test_a_comparison_of_other_models_is_refused(model, measured, tmp_path, capsys):
    side = {"name": "another", "sha256": ""}
    about = {"source": "y", "images": 64, "sha256": "0"}
    found = {"production": side, "candidate": side, "data": about, "attributes": {}}
    (tmp_path / "compare.json").write_text(json.dumps(found))
    with pytest.raises(SystemExit):
        write(model, measured, "--compare", tmp_path / "compare.json")
    assert "compares another with another, not tiny-1" in capsys.readouterr().err
    (tmp_path / "compare.json").write_text(json.dumps(found | {"data": {}}))
    with pytest.raises(SystemExit):
        write(model, measured, "--compare", tmp_path / "compare.json")
    assert "compare.json is not what ml.compare --json writes" in capsys.readouterr().err


def test_markdown_escapes_what_would_be_read_as_markup():
    assert markdown.escape("a|b <i> [x](y) *z* `c`\nd") == r"a\|b &lt;i> \[x\](y) \*z\* \`c\` d"
    assert markdown.escape("Latino_Hispanic, < 0.001, A & B") == "Latino_Hispanic, < 0.001, A & B"
    assert markdown.escape("&lt;b>") == "&amp;lt;b>"
    assert "| a\\|b | 1 |" in markdown.table(("x", "n"), [("a|b", "1")])
    assert markdown.table(("x", "n"), [("a", "1.0")]).splitlines()[1] == "| --- | ---: |"


def test_a_name_cannot_break_the_card(tiny, measured):
    card = replace(tiny[1], name="<script>|x", licence="[a](javascript:b)")
    text = model_card.write_card(card, report=stored.read_evaluation(json.loads(measured.read_text())))
    assert "<script>" not in text
    assert "[a](" not in text


def test_an_uncalibrated_model_is_not_called_calibrated(measured):
    card = ModelCard(name="raw", arch="tiny", labels={"mood": ("glad", "sad")})
    text = model_card.write_card(card, report=stored.read_evaluation(json.loads(measured.read_text())))
    assert "calibrated probabilities" not in text
    assert "as which mood the face" in text
    assert "| tiny; one linear head" in text
    assert rows_under(text, 'Calibration, and "unsure"')[0] == ["", "temperature", "ECE here"]
    assert "## Recipe" not in text


def test_what_nothing_measures_is_told_beside_the_numbers(model, measured):
    notes = ["These images were looked at <twice>.", "A pass of the one takes twice as long as one of the other."]
    text = write(model, measured, *(f"--note={note}" for note in notes))
    told = text.split("## How well it does")[1].split("|")[0]
    assert "- These images were looked at &lt;twice>.\n- A pass of the one takes" in told


def test_the_recipes_of_a_joint_network_are_told_one_by_one(tiny, measured):
    first = {"epochs": 8, "seed": 44, "data": {"held_out": 5}}
    second = {"epochs": 16, "teachers": ["wide-1 0123456789ab"], "adjusted": {"race": 0.5}}
    card = replace(tiny[1], arch="face_resnet29x2", recipe={"joined": [first, second], "seed": 44})
    text = model_card.write_card(card, report=stored.read_evaluation(json.loads(measured.read_text())))
    assert "| Network | 2 face ResNet-29s side by side; one linear head" in text
    for row in ("| joined.1.epochs | 8 |", "| joined.1.data.held_out | 5 |", "| joined.2.epochs | 16 |"):
        assert row in text
    assert "| Training | each member by its own values below, then joined |" in text
    told = " ".join(text.split())
    assert "`python -m ml.join` makes it of its members. " in told
    assert "joined.2 had a `--teacher` for each of its teachers. joined.2 was adjusted once it was calibrated" in told
    assert "`--head race --strength 0.5`." in told
    assert "joined.1 had" not in told


def test_what_each_member_is_and_costs_is_told(tiny, measured):
    members = (
        Member("facet-3", "face_resnet29", weight=0.6, sha256="ab" * 32, parameters=5_580_000),
        Member(
            "lite", "tf_efficientnet_lite0", weight=0.4, views="straight", preset=Preset(size=160), parameters=3_400_000
        ),
    )
    card = replace(tiny[1], arch="face_resnet29+tf_efficientnet_lite0", members=members)
    text = model_card.write_card(card, report=stored.read_evaluation(json.loads(measured.read_text())))
    assert "| Network | face ResNet-29 and EfficientNet-Lite0, joined; one linear head" in text
    assert (
        "| Member | facet-3 abababababab: face ResNet-29, 5.6 million weights, chips of 150 x 150, both flips" in text
    )
    assert "160 x 160, straight alone, one pass a face; 40% of the mean of log-probabilities |" in text
    assert "the answer is the mean of both flips" not in text
    joined = model_card.write_card(
        replace(card, recipe={"joined": [{"epochs": 8}, {"epochs": 4}]}),
        report=stored.read_evaluation(json.loads(measured.read_text())),
    )
    told = ["`--model` facet-3 `--weight 0.6 --views both`", "`--model` lite `--weight 0.4 --views straight`"]
    assert f"of its members: {', '.join(told)}. `python -m ml.train`" in " ".join(joined.split())


def test_what_the_values_alone_do_not_make_is_told(model, measured):
    card, weights = read_pair(model, weights_file=WEIGHTS_FILE)
    taught = {**card.recipe, "teachers": ["wide-1 0123456789ab"], "adjusted": {"race": 0.5}}
    saved = write_pair(model, card=replace(card, recipe=taught), weights=weights, weights_file=WEIGHTS_FILE)
    measured.write_text(json.dumps(json.loads(measured.read_text()) | {"sha256": saved.sha256}))
    text = write(model, measured)
    assert "| Teachers | wide-1 0123456789ab:" in text
    assert "It had a `--teacher` for each of its teachers. It was adjusted once it was calibrated" in " ".join(
        text.split()
    )
    assert "`--head race --strength 0.5`" in text
