"""An attribute is declared once, as docs/extending.md says, and is everywhere from then on.

The steps are tried in a copy of the checkout with that one declaration more.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml.model.card import DEFAULT_DIR

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "extending.md"
NEEDED = ("classifier", "ml", "webapp", "templates", "static", "tests", "manage.py")
pytestmark = pytest.mark.slow


def declare(checkout: Path) -> None:
    """What the guide writes into ml/attributes.py: a declaration, and its place in the order."""
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    declaration = "\n".join(line.removeprefix("   ") for line in block.splitlines())
    new, _, order = declaration.partition("ATTRIBUTES = ")
    path = checkout / "ml" / "attributes.py"
    before, found, after = path.read_text().partition("ATTRIBUTES = ")
    assert found
    path.write_text(f"{before}{new}{found}{order.strip()}\n{after.partition(chr(10))[2]}")


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """What `attribute_walk` saw on its way."""
    folder = tmp_path_factory.mktemp("extended")
    checkout = folder / "checkout"
    for name in NEEDED:
        place = ROOT / name
        if place.is_dir():
            skipped = shutil.ignore_patterns("__pycache__", DEFAULT_DIR.name)
            shutil.copytree(place, checkout / name, ignore=skipped)
        else:
            shutil.copy(place, checkout / name)
    (checkout / "ml" / DEFAULT_DIR.name).symlink_to(DEFAULT_DIR)
    declare(checkout)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FACET_", "DATABASE_", "REDIS_"))}
    env |= {"FACET_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    walk = [sys.executable, "-m", "tests.project.attribute_walk", str(folder)]
    done = subprocess.run(walk, cwd=checkout, env=env, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return json.loads((folder / "told.json").read_text())


def test_a_recipe_trains_and_calibrates_it(told):
    assert told["labels"] == {"gender": ["Male", "Female"], "mask": ["no mask", "mask"]}
    assert told["temperatures"] == ["gender", "mask"]
    assert told["targets"]["mask"] == {"mask": 0.9}


def test_it_is_measured_and_drawn(told):
    assert told["accuracy"] > 0.9
    assert set(told["by_race"]) == {"White", "Black"}
    assert set(told["gap_by_race"]["White"]) == {"no mask", "mask", "gap"}
    assert "race x mask" in told["crossed"]
    assert told["report_mentions"]
    assert told["figures"] > 2


def test_it_is_told_on_the_command_line(told):
    header, row = told["csv"]
    own = ["predicted_mask", "mask_no mask", "mask_mask"]
    first = header.index(own[0])
    assert header[first : first + 4] == [*own, "age_years"]
    assert row["predicted_mask"] in ("no mask", "mask")
    assert row["predicted_race"] == row["age_years"] == ""
    assert "perceived mask" in told["table"]
    assert "perceived race" not in told["table"]


def test_the_database_needs_nothing(told):
    assert told["missing_migrations"] == ""


def test_the_worker_stores_it_and_pages_tell_it(told):
    label, other = told["label"], told["other"]
    assert told["guesses"] == ["gender", "mask"]
    assert 'value="mask"' in told["form"]
    assert told["gallery"] == {"": 1, label: 1, other: 0}
    assert "any mask" in told["gallery_page"]
    for words in ("Mask worn", "show numbers", "no mask"):
        assert words in told["photo_page"]
    assert "Perceived group" not in told["photo_page"]
    assert f"mask worn{': <span' if told['unsure'] else ''}" in told["card"]


def test_the_api_tells_and_filters_it(told):
    assert list(told["api"]) == ["gender", "mask"]
    assert set(told["api"]["mask"]["probabilities"]) == {"no mask", "mask"}
    assert told["api_faces"] == {told["label"]: 1, told["other"]: 0}
    assert told["schema"]["mask"] == {"$ref": "#/components/schemas/Guess"}


def test_the_admin_shows_it(told):
    for words in ("field-predicted_mask", "field-mask_probability", "field-mask_unsure", "field-mask_vector"):
        assert words in told["admin_page"]
    assert "By predicted mask" in told["admin_list"]


def test_switched_off_it_goes(told):
    assert told["after_switching_off"] == {"vectors": ["gender"], "guesses": ["gender"]}


def test_a_model_that_does_not_know_it_works_as_before(told):
    default = told["default_model"]
    assert default["vectors"] == default["guesses"] == ["race", "gender", "age"]
    assert list(default["api"]) == ["race", "gender", "age"]
    assert default["gallery"] == {"": 1, "mask": 0}
    assert "Mask worn" not in default["photo_page"]
    assert default["csv"]["predicted_mask"] == ""
    assert default["csv"]["predicted_race"] != ""
