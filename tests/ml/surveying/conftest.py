"""Three reports of a made-up collection: corrected by the model's errors, reviewed by people, counted as told."""

import pytest

from ml import draw
from ml.shares.evidence import PHOTOS
from ml.shares.resampling import Bootstrap
from ml.surveying import against, reading, reviewing
from ml.surveying.computing import Request, compute_report
from tests.ml.surveying import made_up

SHARES = {"race": {"White": 0.7, "Black": 0.1}, "gender": {"Male": 0.8}}
FEW = Bootstrap(replicates=200)


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("survey")


@pytest.fixture(scope="package")
def adjusted(folder):
    path = folder / "faces.csv"
    years = ["2001" if number < 300 else "2002" for number in range(600)]
    made_up.write_predictions(path, count=600, shares=SHARES, extra={"year": years})
    with path.open("a") as file:
        file.write("photos/broken.jpg,unreadable" + "," * (len(reading.open_table(path).names) - 2) + "\n")
    survey = reading.read_survey(path, by="year")
    census = folder / "census.csv"
    census.write_text("attribute,label,share\ngender,Male,0.49\ngender,Female,0.51\n")
    request = Request(bootstrap=FEW, reference=against.read_reference(census))
    return compute_report(survey, known=made_up.make_known(made_up.make_evidence(way=PHOTOS)), request=request)


@pytest.fixture(scope="package")
def reviewed(folder, adjusted):
    path, out = folder / "faces.csv", folder / "draw.csv"
    truth = made_up.write_predictions(folder / "again.csv", count=600, shares=SHARES)
    draw.main([str(path), "--size", "150", "--out", str(out)])
    made_up.fill(out, truth=truth)
    survey = reading.read_survey(path)
    found = reviewing.read_reviews([out], survey=survey)
    known = made_up.make_known(made_up.make_evidence(way=PHOTOS))
    return compute_report(survey, known=known, reviewed=found, request=Request(bootstrap=FEW))


@pytest.fixture(scope="package")
def counted(folder, adjusted):
    survey = reading.read_survey(folder / "faces.csv")
    return compute_report(survey, known=made_up.make_known(reason="nothing is known of it"))


@pytest.fixture(params=["adjusted", "reviewed", "counted"])
def report(request):
    return request.getfixturevalue(request.param)
