"""How `manage.py run` shares the machine among its workers."""

import io

import pytest
from django.core.management import CommandError, call_command

from classifier.management.commands import run

GIB = 1024**3


@pytest.mark.parametrize(("cores", "memory", "count"), [(1, 32, 1), (2, 8, 2), (16, 64, 2), (8, 4, 1), (4, 0, 1)])
def test_two_workers_run_where_cores_and_memory_allow(cores, memory, count):
    assert run.choose_workers(cores=cores, memory=memory * GIB, on_gpu=False) == count


@pytest.mark.parametrize(
    ("device", "node", "wanted"),
    [("", "nvidia0", True), ("", "nvidiactl", False), ("cpu", "nvidia0", False), ("cuda:1", "tty", True)],
)
def test_one_worker_runs_on_a_gpu(settings, monkeypatch, tmp_path, device, node, wanted):
    settings.DEVICE = device
    (tmp_path / node).touch()
    monkeypatch.setattr(run, "DEVICES", tmp_path)
    assert run.wants_gpu() is wanted
    assert run.choose_workers(cores=16, memory=64 * GIB, on_gpu=wanted) == (1 if wanted else 2)


def test_several_workers_share_the_cores_unless_told_otherwise(settings, monkeypatch):
    monkeypatch.setattr(run, "count_cores", lambda: 5)
    settings.TORCH_THREADS = 0
    assert run.share_cores(2) == {"FACET_TORCH_THREADS": "2"}
    assert run.share_cores(9) == {"FACET_TORCH_THREADS": "1"}
    assert run.share_cores(1) == {}
    settings.TORCH_THREADS = 3
    assert run.share_cores(2) == {}


def test_web_comes_back_within_seconds_however_often_it_dies(monkeypatch, settings, tmp_path):
    """And without burning a core: a web process that dies at once is started every few seconds, not in a loop."""
    started = []
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(run, "call_command", lambda *args, **options: None)
    monkeypatch.setattr(run.User.objects, "filter", lambda **options: run.User.objects.none())
    monkeypatch.setattr(run.Command, "_check_port", lambda self, host: None)
    monkeypatch.setattr(run.supervisor, "supervise", lambda children, **options: started.extend(children))
    call_command("run", workers=1, stdout=io.StringIO())
    web, worker = started
    assert web.command[1:] == [str(settings.BASE_DIR / "manage.py"), "serve", "--bind", "127.0.0.1"]
    assert 2 <= web.longest_delay <= 5 < worker.longest_delay


def test_fewer_than_no_workers_are_refused():
    with pytest.raises(CommandError, match="0 or more"):
        call_command("run", workers=-1)


def test_the_machine_tells_what_it_has():
    assert run.count_cores() >= 1
    assert run.count_memory() > 0


def test_a_container_has_the_memory_that_it_may_use(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(run, "CONTAINER_MEMORY", limit)
    machine = run.count_memory()
    for told, bytes_there in (("max\n", machine), (f"{machine // 2}\n", machine // 2), (f"{2 * machine}\n", machine)):
        limit.write_text(told)
        assert run.count_memory() == bytes_there


def test_a_machine_that_does_not_tell_its_memory_has_none(monkeypatch):
    def refuse(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(run.os, "sysconf", refuse)
    assert run.count_memory() == 0
