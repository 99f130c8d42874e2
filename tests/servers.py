"""Servers that a test may kill: a Redis of its own, where the program is installed."""

import os
import shutil
import signal
import subprocess
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
