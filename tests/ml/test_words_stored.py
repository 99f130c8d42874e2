"""The words of evaluations and model cards: byte for byte what an earlier Facet wrote of the same measures.

`tests/ml/stored/evaluation.html` and `MODEL_CARD.md` were written before their words were templates.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ml import labels
from ml.datasets.seen import BY_CONTENT
from ml.measuring import stored_comparison, tables
from ml.model.card import ModelCard
from ml.preprocess import Preset
from ml.reporting import evaluation_page, model_card
from tests.ml.surveying import made_up
from tests.ml.test_comparing_stored import cut_drawings
from tests.ml.test_measuring import faces, measured, predictions  # noqa: F401  # fixtures

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def report(measured):  # noqa: F811
    about = tables.DataSet(name="forty|faces", source="by hand, by hand, <i>", images=40, sha256="0", seen=True)
    told = replace(measured, unpredicted=2, not_measured={"mood": "the data set has no such labels"})
    return tables.Evaluation("by hand", "1", about, told, tables.WholeWay(40, 0.975, measured, measured))


def make_card():
    fitted = {
        "images": 2500,
        "untouched": BY_CONTENT,
        "race": {"ece_before": 0.0671, "ece_after": 0.0242, "targets": {"fairface-7": 0.8}},
    }
    recipe = {
        "epochs": 3, "images": 64, "seed": 5, "start": "imagenet", "teachers": ["wide-1 <x>"],
        "data": {"shards": ["other-0.zip", "b|c.zip"]}, "adjusted": {"race": 0.5}, "joined": [{"epochs": 8}],
    }  # fmt: skip
    return ModelCard(
        name="theirs|2",
        arch="face_resnet29",
        labels=labels.ATTRIBUTES,
        preset=Preset(size=32),
        temperatures={"race": 1.5, "gender": 0.8},
        metrics={"calibration": fitted},
        evidence={"untouched": BY_CONTENT},
        recipe=recipe,
        licence="MIT",
        trained_on="FairFace, 64 images",
        sha256="2",
    )


def test_the_page_of_an_evaluation_is_written_byte_for_byte_as_before(report):
    page = cut_drawings(evaluation_page.write_page(report))
    assert page == (STORED / "evaluation.html").read_text()


def test_a_model_card_is_written_byte_for_byte_as_before(report):
    comparison = stored_comparison.read_comparison(json.loads((STORED / "comparison.json").read_text()))
    text = model_card.write_card(
        make_card(),
        report=report,
        others=[replace(report, data=replace(report.data, name="utkface"))],
        comparison=comparison,
        weights=1_234_567,
        diagram="reliability.png",
        evidence=[made_up.make_evidence(count=300, way=way) for way in ("chips", "photos")],
    )
    assert text == (STORED / "MODEL_CARD.md").read_text()


def test_a_bare_model_card_is_written_byte_for_byte_as_before(report):
    bare = ModelCard(name="raw", arch="tiny", labels={"mood": ("glad", "sad")})
    text = model_card.write_card(bare, report=replace(report, whole_way=None))
    assert text == (STORED / "BARE_CARD.md").read_text()
