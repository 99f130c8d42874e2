"""The rows of `ml.predict`: one a face, or one that says why a file has none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml import file_names, labels
from ml.calibration import join_set
from ml.model.card import ModelCard
from ml.requests import PhotoResult
from ml.surveying import knowing
from ml.surveying.columns import STATUSES

Cell = str | int | float | bool | None
Row = dict[str, Cell]

OK, NO_FACE, UNREADABLE, FAILED = STATUSES
BOX = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Rows:
    """How the answers of one checkpoint become rows.

    Every declared attribute has its columns, so that tables of several checkpoints go together; those that this one
    does not answer stay empty, and it may have more of its own.
    """

    card: ModelCard

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """The attributes that the checkpoint answers: declared ones in their order, then those of its own."""
        known = [name for name in labels.ATTRIBUTES if name in self.card.labels]
        return {name: self.card.labels[name] for name in dict.fromkeys([*known, *self.card.labels])}

    @property
    def _told(self) -> Mapping[str, tuple[str, ...]]:
        """The attributes that have columns, and their labels."""
        return {**labels.ATTRIBUTES, **self.classes}

    @property
    def numbers(self) -> Mapping[str, str]:
        """Of each attribute whose labels are bins of a number: the column of the expected one."""
        return {
            name: f"{name}_{labels.scale_of(name).unit}"
            for name, names in self._told.items()
            if name in labels.ORDERED and labels.is_told_in_taxonomies(name, names)
        }

    @property
    def columns(self) -> dict[str, type]:
        """The columns of every output in their order, and the type of their cells."""
        kinds: dict[str, type] = {"file": str, "status": str, "face": int, **dict.fromkeys((*BOX, "detection"), float)}
        for attribute, names in self._told.items():
            kinds |= {f"predicted_{attribute}": str, **{f"{attribute}_{name}": float for name in names}}
        kinds |= dict.fromkeys(self.numbers.values(), float)
        kinds |= {f"unsure_{attribute}": bool for attribute in self._told}
        kinds |= {f"set_{attribute}": str for attribute in self._told}
        kinds |= {f"{name}_{end}": int for name in self.numbers for end in ("low", "high")}
        kinds |= {
            "photo_width": int,
            "photo_height": int,
            "sharpness": float,
            "brightness": float,
            "narrowest_face_px": int,
            "turned": int,
            "cut_off": bool,
        }
        return kinds | {"model": str, "reason": str}

    def tell(self, file: Path, result: PhotoResult) -> list[Row]:
        """The rows of a file: one a face, from 1 in the order of the result, else one with its status."""
        empty: Row = {**dict.fromkeys(self.columns), "file": file_names.to_text(file)}
        if result.error:
            # Where the photo itself is not at fault, Facet broke on it.
            status, reason = (UNREADABLE, result.reason) if result.error == "unreadable" else (FAILED, FAILED)
            return [{**empty, "status": status, "reason": reason}]
        seen: Row = {
            "photo_width": result.width,
            "photo_height": result.height,
            "narrowest_face_px": result.narrowest_face_px,
            "turned": result.turned,
        }
        if not result.faces:
            return [{**empty, **seen, "status": NO_FACE, "reason": result.no_face_because or None}]
        rows = []
        for number, face in enumerate(result.faces, start=1):
            row: Row = {**empty, **seen, "status": OK, "face": number, "model": knowing.name_model(self.card)}
            if face.box is not None and face.detection is not None:
                row |= {name: round(value, 2) for name, value in zip(BOX, face.box, strict=True)}
                row["detection"] = round(face.detection, 4)
            row |= {"sharpness": round(face.sharpness, 2), "brightness": round(face.brightness, 4)}
            row["cut_off"] = face.cut_off
            for attribute, vector in face.probabilities.items():
                row |= self._tell_attribute(attribute, vector)
                row[f"unsure_{attribute}"] = face.cut_off or row[f"unsure_{attribute}"]
            rows.append(row)
        return rows

    def _tell_attribute(self, attribute: str, vector: tuple[float, ...]) -> Row:
        names = self.classes[attribute]
        label, probability = labels.top(vector, labels=names)
        row: Row = {
            f"predicted_{attribute}": label,
            f"unsure_{attribute}": self.card.is_unsure(attribute, label=label, probability=probability),
        }
        rules, way = self.card.calibration, self.card.taxonomy(attribute)
        if chosen := rules.choose_set(attribute, vector, taxonomy=way, names=names):
            row[f"set_{attribute}"] = join_set(chosen)
        row |= {f"{attribute}_{name}": round(p, 5) for name, p in zip(names, vector, strict=True)}
        if attribute in self.numbers:
            number, low, high = rules.read_number(attribute, vector)
            row[self.numbers[attribute]] = round(number, 1)
            row |= {f"{attribute}_low": round(low), f"{attribute}_high": round(high)}
        return row
