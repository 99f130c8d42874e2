"""Comparisons as files: the very bytes that an earlier Facet wrote of the same faces, and what it wrote is read.

`tests/ml/stored/comparison.*` was written before comparisons were dataclasses and their words templates.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ml import compare, labels
from ml.datasets import face_set
from ml.measuring import stored, stored_comparison

STORED = Path(__file__).parent / "stored"
COUNT = 640
NUMBERS = np.arange(COUNT)
RACE, GENDER = NUMBERS % 7, (NUMBERS // 7) % 2


def make_faces(source, *, preset):
    """Gender is unlabelled of every 50th face; nothing here depends on who decodes an image."""
    return face_set.FaceSet(
        images=np.broadcast_to((NUMBERS % 251).astype(np.uint8)[:, None, None, None], (COUNT, 4, 4, 3)),
        targets={"race": RACE, "gender": np.where(NUMBERS % 50 == 0, -1, GENDER), "age": NUMBERS % 9},
        files=tuple(f"{number}.jpg" for number in NUMBERS),
        classes=face_set.fine_classes(),
    )


def write_side(folder, name):
    """A CSV and its mapping: production tells seven groups and all ages, the candidate four, and no age.

    The candidate is right about far more women; production tells only labels of gender.
    """
    header, lines = ["file", "sex", "age", *labels.RACE], []
    for number in range(COUNT):
        race, gender = int(RACE[number]), int(GENDER[number])
        if name == "production":
            said = gender if number % 3 else 0
            vector = [1.0 + 5 * (place == (race if number % 4 else 3)) for place in range(7)]
        else:
            said = gender if number % 11 else 1 - gender
            vector = [1.0 + 9 * (place == (race if number % 5 else 0)) for place in range(7)]
        sex = "MF"[said] if name == "production" else f"{0.9 - 0.8 * said - 0.001 * (number % 7):.3f}"
        lines.append(",".join([f"{number}.jpg", sex if number != 9 else "", str(number % 90), *map(str, vector)]))
    (folder / f"{name}.csv").write_text("\n".join([",".join(header), *lines]) + "\n")
    words = 'label = "sex"\nwords = { M = "Male", F = "Female" }'
    if name == "production":
        race = "[race]\nprobabilities = {" + ", ".join(f'"{one}" = "{one}"' for one in labels.RACE) + "}"
        mapping = f'name = "ours-<1>"\n{race}\n[gender]\n{words}\n[age]\nyears = "age"\n'
    else:
        kept = {"White": "White", "Black": "Black", "Asian": "East Asian", "Indian": "Indian"}
        race = ", ".join(f'{group} = "{column}"' for group, column in kept.items())
        race = f'[race]\ntaxonomy = "utkface-4"\nprobabilities = {{{race}}}'
        mapping = f'name = "theirs|2"\n{race}\n[gender]\nprobabilities = {{ Male = "sex" }}\n'
    (folder / f"{name}.toml").write_text(mapping)


@pytest.fixture
def written(tmp_path, monkeypatch, capsys):
    """What `ml.compare` writes, by ending; the drawings and the style, which are not its own, are cut out."""
    monkeypatch.setattr(compare.sources, "read_source", make_faces)
    arguments = ["--data", "place", "--labels", "by_hand.csv", "--same-answers", "--faces", "2"]
    for side in ("production", "candidate"):
        write_side(tmp_path, side)
        arguments += [f"--{side}", str(tmp_path / f"{side}.csv"), f"--{side}-mapping", str(tmp_path / f"{side}.toml")]
    outputs = {"json": "--json", "csv": "--output-csv", "html": "--output-html"}
    for kind, option in outputs.items():
        arguments += [option, str(tmp_path / f"out.{kind}")]
    assert compare.main(arguments) == 1
    found = {kind: (tmp_path / f"out.{kind}").read_text() for kind in outputs} | {"txt": capsys.readouterr().out}
    found["html"] = cut_drawings(found["html"])
    return found


def cut_drawings(page):
    """A page without its style, and its pictures without their bytes and sizes."""
    page = re.sub(r"(?<=<style>).*(?=</style>)", "", page, flags=re.DOTALL)
    return re.sub(r'src="data:[^"]*"( width="\d+" height="\d+")?', 'src=""', page)


@pytest.mark.parametrize("kind", ["json", "csv", "txt", "html"])
def test_a_comparison_is_written_byte_for_byte_as_before(written, kind):
    assert written[kind] == (STORED / f"comparison.{kind}").read_text()


def test_what_was_stored_is_read_and_written_again_the_same():
    text = (STORED / "comparison.json").read_text()
    report = stored_comparison.read_comparison(json.loads(text))
    assert report.attributes["gender"].worst_group.candidate.group in labels.GENDER
    assert json.dumps(stored_comparison.write_comparison(report), indent=2, ensure_ascii=False) + "\n" == text


@pytest.mark.parametrize("damage", [{"overall": {}}, {"by": {"race": [{"group": "White"}]}}, {"agreement": 3}])
def test_a_damaged_comparison_is_told_not_traced(damage):
    found = json.loads((STORED / "comparison.json").read_text())
    found["attributes"]["race"] |= damage
    with pytest.raises(stored.Unreadable, match="is not what"):
        stored_comparison.read_comparison(found)
