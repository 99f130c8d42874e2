"""Messages that tell a worker to look at what waits in the database: at most one waits, and none is worth waiting for.

What a lost one was about is told again by the sweeper, so a broker that is away, full or broken costs nobody anything.
"""

import logging
from typing import Any

from celery import Task, current_app
from kombu.exceptions import ChannelError

from classifier.running import redis_server

logger = logging.getLogger("facet.hints")

ANALYZE = "classifier.tasks.analyze"  # by name: those who send know nothing of what workers do
NOT_FOUND = "404"  # of a queue that nobody wrote to yet, or that Redis dropped because it is empty


def wake_workers() -> None:
    """Tell a worker that something waits. Never raises: a broker that is down costs nothing, the sweeper sends again.

    The message has no expiry: only one waits at a time, and whoever gets it late still finds what waits by then.
    """
    send_hint(current_app.tasks[ANALYZE])


def send_hint(task: Task) -> bool:
    """Send one message of a task without arguments, unless one waits already; whether it was sent. Never raises.

    This runs behind commits: what is committed stays, whatever breaks here.
    """
    server = None
    try:
        server = redis_server.find_server()
        if server and not server.is_up():
            return False
        app = task.app
        with app.producer_pool.acquire(block=True, timeout=redis_server.TIMEOUT_SECONDS) as producer:
            if count_waiting(producer.channel, queue=app.conf.task_default_queue):
                return False
            task.apply_async(producer=producer)
    except Exception as error:  # brokers break in ways that nobody listed: a file cut short, a reply without sense
        logger.warning("no hint was sent; the sweeper will send one", exc_info=True)
        if server:
            server.note_failure(error)
        return False
    return True


def count_waiting(channel: Any, *, queue: str) -> int:
    """How many messages nobody took yet."""
    try:
        count: int = channel.queue_declare(queue, passive=True).message_count
        return count
    except ChannelError as error:
        if str(error.reply_code) == NOT_FOUND:
            return 0
        raise
