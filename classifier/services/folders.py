"""The folders that a collection's photos came in, for people to choose from: as fast at 100,000 photos as at ten."""

from collections.abc import Iterable

from django.db import connection

from classifier.models import Collection, Photo

MOST_FOLDERS = 500  # that a gallery offers

# From one folder to the next in the index: it reads one entry for each folder, not for each photo.
_STEPS = """
WITH RECURSIVE found(folder) AS (
    SELECT MIN(folder) FROM {table} WHERE collection_id = %s AND folder > ''
    UNION ALL
    SELECT (SELECT MIN(folder) FROM {table} WHERE collection_id = %s AND folder > found.folder)
    FROM found WHERE found.folder IS NOT NULL
)
SELECT folder FROM found WHERE folder IS NOT NULL LIMIT %s
"""


def list_folders(collection: Collection) -> list[str]:
    """The folders with photos in them, at most so many that people can look through them."""
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(Photo._meta.db_table)
        cursor.execute(_STEPS.format(table=table), [collection.pk, collection.pk, MOST_FOLDERS])
        return [folder for (folder,) in cursor.fetchall()]


def add_parents(folders: Iterable[str]) -> list[str]:
    """The folders and those above them, in the order of a tree."""
    all_of_them = set()
    for folder in folders:
        parts = folder.split("/")
        all_of_them |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return sorted(all_of_them, key=lambda folder: folder.split("/"))


def is_below(folder: str, *, top: str) -> bool:
    """Whether a folder is another one, or lies in it."""
    return folder == top or folder.startswith(f"{top}/")
