"""manage.py switch_off: remove from all collections what FACET_ATTRIBUTES_OFF names; `run` does it at every start."""

from typing import Any

from django.core.management.base import BaseCommand

from classifier.services import collections


class Command(BaseCommand):
    help = "Remove what was stored of attributes that are switched off for the whole site."

    def handle(self, *args: Any, **options: Any) -> None:
        collections.switch_off_for_site()
