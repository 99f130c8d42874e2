"""Draw who imports whom into docs/architecture.md: `make rooms`, or python -m docs.draw_rooms.

A folder is a box of its own; files that lie loose beside each other in a layer of pyproject.toml share one. An arrow
that a longer way of arrows tells already is left out.
"""

import re
import tomllib
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/architecture.md"
PACKAGES = ("classifier", "ml")
FILES_IN_A_LINE = 4

Arrows = dict[str, set[str]]  # from a box to the boxes that it imports


def main() -> None:
    PAGE.write_text(fill_in(PAGE.read_text()))


def fill_in(page: str) -> str:
    """The page with its drawings made anew, each between its two marks. Raises ValueError where the marks are gone."""
    for package in PACKAGES:
        begin, end = f"<!-- rooms of {package} -->\n", f"<!-- end of {package} -->"
        before, opened, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"{PAGE.name} has no place for the rooms of {package}")
        page = f"{before}{begin}```mermaid\n{draw(package)}\n```\n{end}{after}"
    return page


def draw(package: str) -> str:
    """A package as the text of a Mermaid flowchart: rooms above what they import."""
    boxes = group_files(read_layers(package), folder=ROOT / package)
    arrows = drop_detours(find_arrows(package, boxes=boxes))
    lines = [f'    {box}["{name_box(files, folder=ROOT / package)}"]' for box, files in boxes.items()]
    lines += [f"    {box} --> {below}" for box in boxes for below in boxes if below in arrows[box]]
    return "\n".join(["flowchart TD", *lines])


def read_layers(package: str) -> list[list[str]]:
    """The layers of the contract that holds every file of a package, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == [package]]
    return [re.split(r"\s*[|:]\s*", layer.strip()) for layer in layers]


def group_files(layers: Iterable[list[str]], *, folder: Path) -> dict[str, list[str]]:
    """Box -> what is in it, from the top: each folder by itself, the loose files of a layer together."""
    boxes = {}
    for layer in layers:
        loose = [name for name in layer if not (folder / name).is_dir()]
        if loose:
            boxes[f"{loose[0]}_py"] = loose
        boxes |= {name: [name] for name in layer if name not in loose}
    return boxes


def find_arrows(package: str, *, boxes: dict[str, list[str]]) -> Arrows:
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    box_of = {name: box for box, names in boxes.items() for name in names}
    arrows: Arrows = {box: set() for box in boxes}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            upper, lower = (box_of.get(f"{name}.".split(".")[1]) for name in (module, imported))
            if upper and lower and upper != lower:
                arrows[upper].add(lower)
    return arrows


def drop_detours(arrows: Arrows) -> Arrows:
    """Without arrows whose end is reached another way too. Raises CycleError where two boxes need each other."""
    reached: Arrows = {}
    kept: Arrows = {}
    for box in TopologicalSorter(arrows).static_order():
        kept[box] = {end for end in arrows[box] if not any(end in reached[other] for other in arrows[box])}
        reached[box] = arrows[box].union(*(reached[end] for end in arrows[box]))
    return kept


def name_box(files: list[str], *, folder: Path) -> str:
    names = [f"{name}/" if (folder / name).is_dir() else name for name in files]
    lines = [", ".join(names[start : start + FILES_IN_A_LINE]) for start in range(0, len(names), FILES_IN_A_LINE)]
    return ",<br>".join(lines)


if __name__ == "__main__":
    main()
