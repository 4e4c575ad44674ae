"""Rules of the house that no linter knows."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = [path for package in ("services", "shared") for path in (ROOT / package).rglob("*.py")]


def test_one_class_name_names_one_class() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_every_route_is_declared_by_a_decorator() -> None:
    declared_otherwise = [
        path
        for path in MODULES
        if any(call in path.read_text() for call in (".add_api_route(", ".add_route(", ".add_api_websocket_route("))
    ]

    assert declared_otherwise == []


def test_tests_mirror_the_rooms() -> None:
    strays = [
        test
        for package in ("services/ingest", "services/render", "services/notify", "shared")
        for test in (ROOT / "tests" / Path(package).name).rglob("test_*.py")
        if not _is_mirrored(test.relative_to(ROOT / "tests" / Path(package).name), ROOT / package)
    ]

    assert strays == []


def _is_mirrored(test: Path, package: Path) -> bool:
    """Whether the test lies in a room of the package, or is named after a module that stands before the rooms."""
    if test.parent == Path():
        return (package / test.name.removeprefix("test_")).is_file()
    return (package / test.parent).is_dir()
