"""Servers that a test may kill: a Redis, a PostgreSQL and its standby, where the programs are installed."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis

from tests.site import free_port, wait_for


class OwnRedis:
    """A Redis on a free port, which keeps what it has in `folder` when it is stopped in good order."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, wait: bool = True) -> None:
        program = shutil.which("redis-server")
        if program is None:
            if os.environ.get("CI") == "true":
                pytest.fail("CI needs redis-server")
            pytest.skip("needs the program redis-server")
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--maxmemory-policy", "noeviction", "--enable-debug-command", "yes", *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            wait_for(self.answers, seconds=20, what="Redis does not start")

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        self.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.send_signal(signal.SIGCONT)

    def run_out_of_memory(self) -> None:
        self.client.config_set("maxmemory", 1)

    def load_for_long(self) -> None:
        """Start again with so much to read that it answers nothing else meanwhile."""
        self.client.execute_command("DEBUG", "POPULATE", 50_000)
        self.client.execute_command("SAVE")
        self.kill()
        self.start("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", wait=False)

        def is_loading() -> bool:
            try:
                self.client.ping()
            except redis.BusyLoadingError:
                return True
            except redis.RedisError:
                return False
            return False

        wait_for(is_loading, seconds=20, what="Redis does not load")


class OwnPostgres:
    """A PostgreSQL on a free port in a folder of its own below /tmp, which its user, who is not root, can reach."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if not found:
            if os.environ.get("CI") == "true":
                pytest.fail("CI needs PostgreSQL")
            pytest.skip("needs the programs of PostgreSQL")
        self.programs = found[-1].parent
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="facet-postgres-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self.url = f"postgres://facet@127.0.0.1:{self.port}/postgres"
        self.data = self.folder / "first"
        self._run("initdb", "--pgdata", self.data, "--username", "facet", "--auth", "trust", "--no-sync")

    def start(self, *options: str) -> None:
        words = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
        self._control("start", "--options", words + " ".join(options), "--log", str(self.folder / "log"))

    def stop(self, *, mode: str = "fast") -> None:
        """In good order, or `immediate`, as in a power cut."""
        self._control("stop", "--mode", mode)

    def copy(self) -> "OwnPostgres":
        """A standby on a port of its own, without which the first one says of no commit that it was made."""
        other = OwnPostgres.__new__(OwnPostgres)
        other.__dict__ |= self.__dict__ | {"port": free_port(), "data": self.folder / "second"}
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--username", "facet")
        self._run("pg_basebackup", *where, "--pgdata", other.data, "--write-recovery-conf", "--checkpoint", "fast")
        other.start()
        for statement in ("SET synchronous_standby_names = '*'", "SET synchronous_commit = 'remote_apply'"):
            self._run("psql", *where, "--dbname", "postgres", "--quiet", "--command", f"ALTER SYSTEM {statement}")
        self._control("reload")
        return other

    def take_over(self, first: "OwnPostgres") -> None:
        """Be what the first one was, at its address."""
        self.stop()
        self.port = first.port
        self.start()
        self._control("promote")

    def remove(self) -> None:
        for data in self.folder.glob("*/postmaster.pid"):
            self._run("pg_ctl", "--pgdata", data.parent, "stop", "--mode", "immediate")
        shutil.rmtree(self.folder)

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "--pgdata", self.data, "--wait", *words)

    def _run(self, program: str, *words: str | Path) -> None:
        command = [self.programs / program, *words]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL)
