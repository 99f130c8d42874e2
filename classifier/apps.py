from django.apps import AppConfig


class ClassifierConfig(AppConfig):
    name = "classifier"
    verbose_name = "Facet"

    def ready(self) -> None:
        from classifier import accounts, checks, filters, second_factors, tasks  # noqa: F401 - registers the system checks, and what a hint names
        from classifier.intake import multipart
        from classifier.services.reports import reading
        from classifier.services.reviews import frames

        accounts.connect()
        second_factors.connect()
        multipart.keep_every_file()
        reading.narrowing[:] = [filters.narrow]
        frames.narrowing[:] = [filters.narrow_draw]
