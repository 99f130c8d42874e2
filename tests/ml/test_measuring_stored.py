"""Reports and cards as files: the very bytes that an earlier Facet wrote of the same faces, and what it wrote is read.

`tests/ml/stored` was written before the measures were dataclasses, of the faces of `test_measuring`.
"""

import json
from pathlib import Path

import pytest

from ml.measuring import long_table, stored, tables
from tests.ml.test_measuring import faces, measured, predictions  # noqa: F401  # fixtures

STORED = Path(__file__).parent / "stored"


def as_file(values) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def test_measures_are_stored_byte_for_byte_as_before(measured):  # noqa: F811
    about = tables.DataSet(name="forty", source="by hand", images=40, sha256="0", seen=False)
    report = tables.Evaluation("by hand", "", about, measured)
    assert as_file(stored.write_evaluation(report)) == (STORED / "evaluation.json").read_text()
    assert as_file(stored.shorten(measured)) == (STORED / "short.json").read_text()
    assert long_table.to_csv(measured) == (STORED / "long_table.csv").read_text()


def test_what_was_stored_is_read_and_written_again_the_same(measured):  # noqa: F811
    text = (STORED / "evaluation.json").read_text()
    report = stored.read_evaluation(json.loads(text))
    assert report.measures == measured
    assert as_file(stored.write_evaluation(report)) == text
    way = json.loads(text)["measures"]
    both = json.loads(text) | {"whole_way": {"images": 40, "found": 0.975, "found_again": way, "same_chips": way}}
    assert as_file(stored.write_evaluation(stored.read_evaluation(both))) == as_file(both)


def test_reports_from_before_some_measures_were_added_are_read():
    old = json.loads((STORED / "evaluation.json").read_text())
    for name in ("faces", "unpredicted", "not_measured"):
        del old["measures"][name]
    for name in ("race", "gender", "age"):
        table = old["measures"][name]
        del table["unanswered"], table["labels_only"], table["left_out"]
        for gap in table["gaps"].values():
            for key in ("demographic_parity_difference", "equalised_odds_difference"):
                gap[key] = gap[key] and gap[key]["value"] if key in gap else 0.25
    measures = stored.read_evaluation(old).measures
    parity, odds = measures.attributes["gender"].gaps["race"].differences
    assert (parity and parity.value, odds and odds.value) == (0.2, 0.5)
    assert (measures.attributes["age"].unanswered, measures.faces) == (0, 40)


@pytest.mark.parametrize("damage", [{"groups": []}, {"parts": {"race": {"White": {"n": 1}}}}, {"confusion": 3}])
def test_a_damaged_report_is_told_not_traced(damage):
    found = json.loads((STORED / "evaluation.json").read_text())
    found["measures"]["race"] |= damage
    with pytest.raises(stored.Unreadable, match="is not what"):
        stored.read_evaluation(found)
