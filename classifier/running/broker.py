"""Celery's messages as files: kombu's filesystem transport, made safe against half-written messages."""

import os
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override] # kombu disagrees with itself
        """Write under another name and rename, so that a reader never meets half a message."""
        final_name = f"{uuid4()}.{queue}.msg"
        unfinished = os.path.join(self.data_folder_out, f"{uuid4()}.writing")
        try:
            with open(unfinished, "wb") as file:
                file.write(dumps(payload).encode())
            os.replace(unfinished, os.path.join(self.data_folder_out, final_name))
        except OSError as error:
            raise ChannelError(f"Cannot add a message to {self.data_folder_out!r}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """The oldest message of a queue; a file that is empty or not JSON is removed and stepped over."""
        for path in self._oldest_first(queue):
            taken = f"{path}.{os.getpid()}.taken"
            try:
                os.replace(path, taken)  # only one reader can
                with open(taken, "rb") as file:
                    content = file.read()
                os.remove(taken)
            except FileNotFoundError:
                continue
            try:
                return loads(content.decode())
            except ValueError:
                continue
        raise Empty

    def _oldest_first(self, queue: str) -> list[str]:
        with os.scandir(self.data_folder_in) as entries:
            messages = [entry for entry in entries if entry.name.partition(".")[2] == f"{queue}.msg"]
        dated = []
        for entry in messages:
            try:
                dated.append((entry.stat().st_mtime_ns, entry.path))
            except FileNotFoundError:
                continue
        return [path for _, path in sorted(dated)]


class Transport(filesystem.Transport):
    Channel = Channel


TRANSPORT_ALIASES["facetfiles"] = "classifier.running.broker:Transport"
