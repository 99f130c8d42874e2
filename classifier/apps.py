from django.apps import AppConfig


class ClassifierConfig(AppConfig):
    name = "classifier"
    verbose_name = "Facet"

    def ready(self) -> None:
        from classifier import checks, tasks  # noqa: F401 - registers the system checks, and what a hint names
        from classifier.intake import multipart

        multipart.keep_every_file()
