from io import StringIO

import pytest
from django.core.management import call_command

from classifier.services import workers
from tests import factories


@pytest.fixture
def live_worker(db) -> str:
    workers.beat("worker@box", pid=1, device="cpu", model_version=factories.ModelVersionFactory(name="facet-9"))
    return "worker@box"


def test_a_live_worker_is_listed_with_its_model_and_device(live_worker):
    shown = StringIO()
    call_command("workers", "--named", live_worker, stdout=shown)
    assert shown.getvalue() == "worker@box: facet-9 on cpu\n"


@pytest.mark.parametrize("arguments", [[], ["--named", "worker@elsewhere"]])
def test_without_a_sign_of_life_the_command_fails(db, arguments):
    with pytest.raises(SystemExit) as ended:
        call_command("workers", *arguments, stderr=StringIO())
    assert ended.value.code == 1


def test_another_workers_life_does_not_count(live_worker):
    with pytest.raises(SystemExit):
        call_command("workers", "--named", "worker@elsewhere", stderr=StringIO())
