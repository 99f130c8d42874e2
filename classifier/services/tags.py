"""Tables of what people know of their photos: a CSV, file name -> values, becomes tags; what did not fit is told."""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from time import sleep

from django.db import connection, transaction
from django.utils import timezone

from classifier.intake import tables
from classifier.models import Collection, Photo, PhotoTag, TagColumn
from classifier.models.leases import SQLITE_PAUSE_SECONDS
from classifier.models.tags import COLUMN_LENGTH, MOST_COLUMNS, VALUE_LENGTH
from classifier.services.received import clean_folder, clean_name

MOST_ROWS = 200_000
MOST_VALUES = 200  # of a column that a gallery offers to choose from
MOST_TOLD = 50  # lines of each kind of trouble
ROWS_AT_ONCE = 2_000  # read
TAGS_AT_ONCE = 4_000  # stored in one transaction, for which all others who write on SQLite wait


class BadTable(Exception):
    """A table that is refused as a whole, with a sentence for people; nothing of it is stored."""

    code = "bad_table"


@dataclass(frozen=True)
class Line:
    """One line of the table that did not (quite) fit: its number, the file it names, and what there is to say."""

    number: int
    file: str
    words: str = ""


@dataclass
class Lines:
    """The first of some lines, and how many there are."""

    first: list[Line] = field(default_factory=list)
    count: int = 0

    def add(self, number: int, file: str, words: str = "") -> None:
        """Count a line, and keep it while there are few."""
        self.count += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(Line(number, file, words))


@dataclass
class Told:
    """What became of a table: photos with a value by column, lines read, and the lines that gave nothing.

    `unknown` name no photo, `several` one name in several folders, `torn` have too few or too many cells; in
    `conflicts` a photo was to have two values of a column, and keeps what it had.
    """

    columns: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    photos: int = 0
    encoding: str = ""
    unknown: Lines = field(default_factory=Lines)
    several: Lines = field(default_factory=Lines)
    torn: Lines = field(default_factory=Lines)
    conflicts: Lines = field(default_factory=Lines)


@dataclass(frozen=True)
class _Table:
    columns: list[str]
    rows: list[tuple[int, list[str]]]  # the line's number, and its cells
    torn: list[tuple[int, list[str]]]
    encoding: str


def store_table(collection: Collection, *, content: bytes) -> Told:
    """Take in a CSV whose first column names files, `May/img1.jpg` or `img1.jpg`, and whose others are tags.

    Photos that it does not name keep what they have; an empty cell says nothing. Raises BadTable, and then no tag was
    stored. The tags themselves go in batches, so that nobody else waits long for the database: of what is cut short the
    table, sent again, stores the rest.
    """
    if collection.is_aggregate_only:
        raise BadTable("This collection keeps only sums: no photo stays that a tag could be put on.")
    table = _read_table(content)
    told = Told(rows=len(table.rows) + len(table.torn), encoding=table.encoding)
    for number, cells in table.torn:
        told.torn.add(number, cells[0][:VALUE_LENGTH], f"{len(cells)} of {len(table.columns) + 1} cells")
    values = _match(table, collection=collection, told=told)
    columns = _make_columns(collection, names=table.columns)
    stored = {name: _store_values(columns[name], of_photos) for name, of_photos in values.items()}
    told.columns = {name: len(photos) for name, photos in stored.items()}
    told.photos = len(set().union(*stored.values()))
    return told


def remove_column(column: TagColumn) -> None:
    """Take a column and its tags away."""
    with transaction.atomic():
        Collection.objects.filter(pk=column.collection_id).note_answers()
        column.delete()


def _read_table(content: bytes) -> _Table:
    try:
        table = tables.read_table(content, most_rows=MOST_ROWS)
    except tables.UnreadableTable as error:
        hint = " Its first line names the columns: file, then one or more of yours." if error.code == "empty" else ""
        raise BadTable(f"{error}{hint}") from None
    columns = _check_columns(table.header[1:])
    whole = [row for row in table.rows if len(row[1]) == len(table.header)]
    torn = [row for row in table.rows if len(row[1]) != len(table.header)]
    return _Table(columns, whole, torn, table.encoding)


def _check_columns(names: list[str]) -> list[str]:
    cleaned = [clean_name(name.replace("/", "-").replace("\\", "-")) if name else "" for name in names]
    if not cleaned:
        raise BadTable("This table has one column. Beside the file names it needs at least one more.")
    if "" in cleaned:
        raise BadTable("A column has no name. The first line names each of them.")
    if len(cleaned) > MOST_COLUMNS:
        raise BadTable(f"A table may have {MOST_COLUMNS} columns beside the file names; this one has {len(cleaned)}.")
    if long := next((name for name in cleaned if len(name) > COLUMN_LENGTH), ""):
        raise BadTable(f"The column “{long[:COLUMN_LENGTH]}…” has a name of more than {COLUMN_LENGTH} characters.")
    if twice := next((name for name, count in Counter(cleaned).items() if count > 1), ""):
        raise BadTable(f"Two columns are called “{twice}”.")
    return cleaned


def _match(table: _Table, *, collection: Collection, told: Told) -> dict[str, dict[int, str]]:
    """Column -> photo -> value, for what fits; the rest is told."""
    photos = _find_photos(collection)
    values: dict[str, dict[int, str]] = {name: {} for name in table.columns}
    clashing: dict[str, set[int]] = defaultdict(set)
    for number, (cell, *cells) in table.rows:
        found = _fitting(photos, cell=cell)
        if not found:
            told.unknown.add(number, cell[:VALUE_LENGTH])
            continue
        if len(found) > 1:
            told.several.add(number, cell[:VALUE_LENGTH], f"in {len(found)} folders: {_some(found)}")
            continue
        (keys,) = found.values()
        for name, value in zip(table.columns, (cell[:VALUE_LENGTH] for cell in cells), strict=True):
            if not value:
                continue
            for key in keys:
                if values[name].setdefault(key, value) != value and key not in clashing[name]:
                    told.conflicts.add(number, cell[:VALUE_LENGTH], f"{name}: “{values[name][key]}” and “{value}”")
                    clashing[name].add(key)
    return {
        name: {key: value for key, value in of_photos.items() if key not in clashing[name]}
        for name, of_photos in values.items()
    }


def _find_photos(collection: Collection) -> dict[str, dict[str, list[int]]]:
    """Name -> folder -> photos. Letters compare as they look: some systems write é as two characters, some as one."""
    photos: dict[str, dict[str, list[int]]] = {}
    rows = Photo.objects.filter(collection=collection, deleting_at=None).order_by().values_list("name", "folder", "pk")
    for name, folder, key in rows.iterator(chunk_size=ROWS_AT_ONCE):
        photos.setdefault(_plain(name), {}).setdefault(_plain(folder), []).append(key)
    return photos


def _fitting(photos: dict[str, dict[str, list[int]]], *, cell: str) -> dict[str, list[int]]:
    """The photos that a cell may mean, by folder. A path may leave out folders above it, a name all of them."""
    path = cell.replace("\\", "/").rstrip("/")
    named = photos.get(_plain(clean_name(path)), {}) if path else {}
    folder = _plain(clean_folder(path.rpartition("/")[0]))
    if folder in named:
        return {folder: named[folder]}
    return {known: keys for known, keys in named.items() if not folder or known.endswith(f"/{folder}")}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _some(folders: dict[str, list[int]]) -> str:
    names = [name or "(none)" for name in sorted(folders)]
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _make_columns(collection: Collection, *, names: list[str]) -> dict[str, TagColumn]:
    """The columns with these names, those that are not there yet made. Raises BadTable."""
    with transaction.atomic():
        # Held, so that of two tables at once the second sees the columns of the first.
        if not Collection.objects.filter(pk=collection.pk, deleting_at=None).update(has_origins=True):
            raise BadTable("The collection was deleted meanwhile.")
        known = {column.name: column for column in collection.tag_columns.all()}
        fresh = [name for name in names if name not in known]
        if len(known) + len(fresh) > MOST_COLUMNS:
            raise BadTable(f"A collection may have {MOST_COLUMNS} columns. Remove one that is no longer needed first.")
        made = TagColumn.objects.bulk_create([TagColumn(collection=collection, name=name) for name in fresh])
    return known | {column.name: column for column in made}


def _store_values(column: TagColumn, of_photos: dict[int, str]) -> set[int]:
    """The photos that have their value now: those that are still there, none where the column is gone."""
    stored: set[int] = set()
    rows = list(of_photos.items())
    for start in range(0, max(len(rows), 1), TAGS_AT_ONCE):
        if connection.vendor == "sqlite":
            sleep(SQLITE_PAUSE_SECONDS)
        end = start + TAGS_AT_ONCE
        stored |= _store_batch(column, dict(rows[start:end]), is_last=end >= len(rows))
    return stored


def _store_batch(column: TagColumn, of_photos: dict[int, str], *, is_last: bool) -> set[int]:
    with transaction.atomic():
        # Who removes photos or the column does so before this or after it.
        Collection.objects.filter(pk=column.collection_id).note_answers()
        if not TagColumn.objects.filter(pk=column.pk).exists():
            return set()
        here = Photo.objects.filter(pk__in=list(of_photos), deleting_at=None)
        stored = set(here.order_by().values_list("pk", flat=True))
        PhotoTag.objects.bulk_create(
            [PhotoTag(column=column, photo_id=key, value=value) for key, value in of_photos.items() if key in stored],
            update_conflicts=True,
            unique_fields=["photo", "column"],
            update_fields=["value"],
        )
        if is_last:
            counted = Counter(column.tags.order_by().values_list("value", flat=True).iterator())
            values = sorted(value for value, _ in counted.most_common(MOST_VALUES))
            TagColumn.objects.filter(pk=column.pk).update(values=values, updated_at=timezone.now())
    return stored
