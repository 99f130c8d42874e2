"""A run that begins anew in a used folder leaves nothing there of the run before, and takes nothing from it."""

import shutil

import pytest

from ml.model import checkpoint
from ml.training import origins, recipe

DIVERGES = ("--lr", "1e30", "--schedule", "constant", "--precision", "32")


@pytest.fixture
def used(run, tmp_path):
    """A folder with a finished run, its model card and a note of somebody's own."""
    assert run("run", "--epochs", "1") == 0
    for name in ("MODEL_CARD.md", "reliability.png", "evidence.safetensors", "state.ckpt.part", "notes.txt"):
        (tmp_path / "run" / name).write_bytes(b"of the run before")
    return tmp_path / "run"


def test_a_run_that_diverges_at_once_leaves_nothing_of_the_run_before(run, used, capsys):
    assert run("run", *DIVERGES, "--overwrite") == 1
    assert "stopped: the loss became" in capsys.readouterr().err
    assert sorted(path.name for path in used.iterdir()) == ["notes.txt", "run.json", "train.txt", "val.txt"]
    with pytest.raises(SystemExit):
        run("run", "--epochs", "1", "--resume")  # the recipe of the run before
    assert "no state.ckpt" in capsys.readouterr().err


def test_a_log_elsewhere_is_begun_anew_too(run, tmp_path):
    log = ("--log-file", str(tmp_path / "elsewhere.csv"))
    run("run", "--epochs", "1", *log)
    assert run("run", *DIVERGES, "--overwrite", *log) == 1
    assert not (tmp_path / "elsewhere.csv").exists()


def test_a_run_that_is_refused_removes_nothing(run, used):
    before = {path: path.read_bytes() for path in used.rglob("*") if path.is_file()}
    for option in ("--strategy=wishful", "--balance=hair", "--data.shards=train-0.zip, train-9.zip"):
        with pytest.raises(SystemExit):
            run("run", option, "--overwrite")
        assert {path: path.read_bytes() for path in used.rglob("*") if path.is_file()} == before


def test_what_a_run_learns_from_is_not_overwritten_by_it(run, used, capsys):
    for *options, name in (("--start", "."), ("--start", "last"), ("--distill", "0.5", "--teacher", ".")):
        with pytest.raises(SystemExit):
            run("run", *options, str(used / name), "--overwrite")
        assert "which --overwrite would remove" in capsys.readouterr().err.splitlines()[-1]
    checkpoint.load(used)


def test_a_run_does_not_go_on_from_other_weights_of_the_same_name(run, tmp_path, capsys):
    """A recipe tells a start by its name alone, so that a run may go on where the start lies elsewhere by now."""
    for number, place in enumerate(("one", "two"), start=1):
        run(f"{place}/first", "--epochs", "1", "--seed", str(number))
    shutil.copytree(tmp_path / "one", tmp_path / "moved")
    assert run("run", "--start", str(tmp_path / "one" / "first"), "--epochs", "1") == 0
    with pytest.raises(SystemExit):
        run("run", "--start", str(tmp_path / "two" / "first"), "--epochs", "2", "--resume")
    assert "start_sha256 was" in capsys.readouterr().err.splitlines()[-1]
    assert run("run", "--start", str(tmp_path / "moved" / "first"), "--epochs", "2", "--resume") == 0


def test_a_file_of_weights_is_known_by_what_it_holds(tmp_path):
    for name, content in (("a/start.pth", b"one"), ("b/start.pth", b"two"), ("c/start.pth", b"one")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    starts = [recipe.Recipe(start=str(tmp_path / place / "start.pth")) for place in "abc"]
    a, b, c = (origins.hash_start(origins.start_path(of)) for of in starts)
    assert a == c != b
    assert len({recipe.recipe_values(of)["start"] for of in starts}) == 1
    assert origins.start_path(recipe.Recipe(start=recipe.IMAGENET)) is None
