"""Django's cache in Redis, and in the database while Redis is away: pages get slower, and limits stay counted."""

from collections.abc import Callable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from classifier.running import redis_server


def _guarded(verb: str) -> Callable[..., Any]:
    """The verb of a cache: asked of Redis, and of the stand-in where Redis does not serve."""

    def ask(self: "SharedCache", *args: Any, **kwargs: Any) -> Any:
        server = redis_server.find_server()
        if server is None or server.is_up():
            try:
                return getattr(super(SharedCache, self), verb)(*args, **kwargs)
            except RedisError as error:
                if server is None:
                    raise
                server.note_failure(error)
        return getattr(caches[self._stand_in], verb)(*args, **kwargs)

    return ask


class SharedCache(RedisCache):
    """OPTIONS: `stand_in`, the alias of the cache that takes over; the rest is for redis-py's connections.

    What was kept in one of the two is not moved to the other: a cache forgets, and a limit may begin anew, once.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = dict(params.get("OPTIONS", {}))
        self._stand_in = options.pop("stand_in")
        options |= redis_server.client_options() | {"retry": Retry(NoBackoff(), 0)}
        super().__init__(server, {**params, "OPTIONS": options})

    add = _guarded("add")
    get = _guarded("get")
    set = _guarded("set")
    touch = _guarded("touch")
    delete = _guarded("delete")
    get_many = _guarded("get_many")
    has_key = _guarded("has_key")
    incr = _guarded("incr")
    set_many = _guarded("set_many")
    delete_many = _guarded("delete_many")
    clear = _guarded("clear")
