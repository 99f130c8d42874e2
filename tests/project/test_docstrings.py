"""What others may call says what its signature cannot."""

import ast
from collections.abc import Iterator
from pathlib import Path

from classifier.services import doctor

ROOT = Path(__file__).resolve().parents[2]
LEAST_IN_ML = 0.86  # there are methods that a library calls, and commands, which their module's text explains
TOLD_BY_THEIR_FINDING = {f"{Path(look.__code__.co_filename).stem}.{look.__name__}" for look in doctor.LOOKS}


def public_functions(folder: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of modules and methods of classes, named module.function, without those that begin with _."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))):
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                    yield f"{path.stem}.{function.name}", function


def test_every_service_tells_what_it_promises():
    silent = {name for name, function in public_functions("classifier/services") if not ast.get_docstring(function)}
    assert silent == TOLD_BY_THEIR_FINDING


def test_most_of_the_model_tells_shapes_units_and_errors():
    told = [bool(ast.get_docstring(function)) for _, function in public_functions("ml")]
    assert len(told) > 100
    assert sum(told) / len(told) >= LEAST_IN_ML
