import pytest

from classifier.services.reports import computing
from ml.shares.resampling import Bootstrap


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Nothing here looks at the width of a corrected interval."""
    request = computing.Request
    monkeypatch.setattr(computing, "Request", lambda **values: request(bootstrap=Bootstrap(replicates=100), **values))
