"""System checks: a wrong deployment explains itself, with an id to look up and a hint what to do.

Errors stop `manage.py` and the workers; what only matters in public is told by `manage.py check --deploy`.
"""

from classifier.checks import security, values, worker

__all__ = ["security", "values", "worker"]
