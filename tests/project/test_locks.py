"""How rows are locked: docs/architecture.md says why, and in which order."""

import ast
from collections import Counter
from pathlib import Path

CLASSIFIER = Path(__file__).resolve().parents[2] / "classifier"


def test_rows_are_locked_for_update_only_where_they_are_deleted_next():
    """Elsewhere it would keep everybody waiting who commits a row that refers to them."""
    found: Counter[str] = Counter()
    for path in CLASSIFIER.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "select_for_update":
                is_gentle = any(
                    word.arg == "no_key" and isinstance(word.value, ast.Constant) and word.value.value is True
                    for word in call.keywords
                )
                found[f"{path.name}, no_key={is_gentle}"] += 1
    assert {name: count for name, count in found.items() if name.endswith("False")} == {"deletion.py, no_key=False": 1}
    assert found.total() > 10
