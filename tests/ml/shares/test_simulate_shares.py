"""The command that holds the estimators against known truth, on made-up answers and on a few of FairFace's chips."""

import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import labels, simulate_shares
from ml.shares import adjusted, evidence, schemes
from ml.simulating import answering, floors, page, real, runs, scenarios
from ml.simulating.worlds import World
from tests.ml.shares import worlds


def all_attributes():
    """Evidence with an age too, which is told perfectly."""
    known = worlds.race_evidence()
    age = np.random.default_rng(1).integers(0, 9, len(known))
    faces = replace(known.faces, classes=labels.ATTRIBUTES, predicted=dict(known.faces.predicted) | {"age": age})
    return evidence.Evidence(faces, dict(known.actual) | {"age": age})


def kept_file(folder, *, name):
    return answering.kept_file(name, model=simulate_shares.DEFAULT_MODEL, kept=folder)


def test_answers_of_another_model_are_not_taken_for_those_of_this_one(kept, tmp_path):
    assert kept_file(kept, name="held_out").is_file()
    another = answering.kept_file("held_out", model=simulate_shares.DEFAULT_MODEL / "facet-3.1", kept=kept)
    assert another.parent == kept
    assert not another.exists()


def test_a_missing_checkpoint_is_told_in_a_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        simulate_shares.main(["--data", str(tmp_path), "--kept", str(tmp_path), "--model", str(tmp_path / "none")])
    assert stop.value.code == 2
    assert "no model.json" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def kept(tmp_path):
    for name in answering.SETS:
        np.savez(kept_file(tmp_path, name=name), **evidence.pack(all_attributes()))
    return tmp_path


def test_the_paper_begins_as_the_command_writes_it():
    text = (Path(__file__).parents[3] / "docs/statistics.md").read_text()
    assert text.startswith(page.HEAD)


def test_the_command_writes_the_page_and_its_pictures(kept, tmp_path, capsys):
    out = tmp_path / "docs" / "statistics.md"
    options = [
        "--data",
        str(tmp_path),
        "--kept",
        str(kept),
        "--out",
        str(out),
        "--evidence",
        str(kept_file(kept, name="held_out")),
    ]
    assert simulate_shares.main([*options, "--runs", "2", "--sizes", "400", "--replicates", "40"]) == 0
    text = out.read_text()
    for part in (
        "| 70 % White | adjusted |",
        "women only, 70 % White (other errors)",
        "60 % women over 50",
        "Age\n",
        "as facet-4 answers",
    ):
        assert part in text
    assert text.count("**kept**") + text.count("**missed**") == 5
    assert (out.parent / page.COVERAGE_PICTURE).read_bytes()[:4] == b"\x89PNG"
    assert (out.parent / page.VARIATION_PICTURE).read_bytes()[:4] == b"\x89PNG"
    assert "is written" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--runs", "0"], ["--sizes", "50"], ["--replicates", "1"], []])
def test_what_cannot_work_ends_with_a_sentence(options, tmp_path, capsys):
    """The last one: there are neither kept answers nor images."""
    with pytest.raises(SystemExit) as error:
        simulate_shares.main(["--data", str(tmp_path / "none"), "--kept", str(tmp_path / "kept"), *options])
    assert error.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_chips_are_read_by_number_and_made_worse(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as store:
        for number, grey in ((10, 200), (9, 100), (2, 40)):
            content = io.BytesIO()
            Image.new("RGB", (8, 8), (grey,) * 3).save(content, "PNG")
            store.writestr(f"val/{number}.png", content.getvalue())
    (last,) = answering.read_chips(tmp_path / "a.zip", last=2, change=answering.darken)
    assert [name for name, _ in last] == ["val/9.png", "val/10.png"]
    assert [chip.getpixel((0, 0)) for _, chip in last] == [(25,) * 3, (50,) * 3]
    edge = Image.new("L", (64, 64))
    edge.paste(255, (32, 0, 64, 64))
    assert 0 < answering.blur(edge).getpixel((30, 32)) < 255


def test_the_default_model_is_asked_about_chips(shared):
    data = shared / "data" / "fairface"
    found = answering.ask_model(data / "val.zip", data=data, model=simulate_shares.DEFAULT_MODEL, last=24)
    assert len(found) == 24
    assert found.faces.posteriors["age"].shape == (24, 9)
    assert np.mean(found.faces.predicted["gender"] == found.actual["gender"]) > 0.7
    assert np.isnan(found.faces.measures["size_px"]).all()
    assert evidence.unpack(evidence.pack(found), classes=labels.ATTRIBUTES).fingerprint() == found.fingerprint()


def test_floors_that_are_missed_are_named():
    known, race = worlds.race_evidence(), schemes.single("race", classes=labels.RACE)
    world = World("trial", race, scenarios.SEVENTY, 400, known, known, holds=True)
    tallies = runs.simulate(world, runs=3, seed=1, replicates=60)
    worse = [replace(tally, coverage=np.full(7, 0.5)) for tally in tallies]
    verdicts = {floor.promise: floor for floor in floors.check_floors(worse)}
    missed = verdicts["each label of reviewed shares is covered in at least 92% of the runs"].missed
    assert len(missed) == 4 * 7
    assert missed[0].startswith("50.0%: ")
    wide = [replace(tally, told=np.ones(7), width=np.full(7, 0.2), design=np.full(7, 0.1)) for tally in tallies]
    over = floors.check_floors(wide)[1]
    assert (len(over.missed), over.checked, over.missed[0][:10]) == (4 * 7, 4 * 7, "2.00 times")
    assert over.largest == pytest.approx(0.7, abs=0.05)
    assert "and 16 that missed it by less" in page.floor_list(wide)
    assert floors.check_floors([replace(tally, told=np.zeros(7)) for tally in wide])[1].missed == ()


def test_mixtures_have_the_shares_they_name():
    images = all_attributes()
    for mixture in real.list_mixtures(images)[:3]:
        rows = real._choose(mixture, rng=np.random.default_rng(1))
        assert len(np.unique(rows)) == mixture.size
        assert mixture.wanted[rows].mean() == pytest.approx(mixture.share, abs=0.01)


def test_the_estimators_need_numpy_and_labels_alone():
    """So that the site's processes can load them: neither torch nor Pillow nor SciPy, nothing else of ml."""
    names = sorted(place.stem for place in Path(adjusted.__file__).parent.glob("[a-z]*.py"))
    code = (
        f"import sys; from ml.shares import {', '.join(names)}\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'PIL', 'scipy', 'sklearn', 'django', 'pandas')"
        " or m.startswith('ml.') and m not in ('ml.labels', 'ml.attributes') and not m.startswith('ml.shares')]\n"
        "print(bad)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
