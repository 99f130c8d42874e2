"""Celery's beat, which sends nothing while a message waits: a day without a worker would leave 17,280 of them."""

from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from celery.schedules import schedstate

from classifier.running import hints


class Scheduler(PersistentScheduler):
    def is_due(self, entry: ScheduleEntry) -> schedstate:
        """What was last sent in the future is due: the clock jumped back, and it would not be until then."""
        if entry.last_run_at > self.app.now():
            return schedstate(is_due=True, next=entry.schedule.seconds)
        due: schedstate = super().is_due(entry)
        return due

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        if producer and hints.count_waiting(producer.channel, queue=self.app.conf.task_default_queue):
            return self.reserve(entry) if advance else None
        return super().apply_async(entry, producer=producer, advance=advance, **kwargs)
