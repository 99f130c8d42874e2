"""The project: how the parts are wired together. No behaviour lives here."""

from webapp.celery import app as celery_app

__all__ = ["celery_app"]
