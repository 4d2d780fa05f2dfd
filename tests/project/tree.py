"""The project's own files, for tests that read them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = {
    "__pycache__",
    "build",
    "dist",
}  # what is made here and never committed, beside names that begin with a dot


def files(*folders: str) -> Iterator[Path]:
    """Every file of ours below these folders of the project, or below all."""
    for folder in folders or (".",):
        for path in sorted((ROOT / folder).iterdir()):
            if path.name in MADE or path.suffix == ".egg-info" or hidden(path):
                continue
            if path.is_dir():
                yield from files(str(path.relative_to(ROOT)))
            else:
                yield path


def hidden(path: Path) -> bool:
    """Caches and the like; what CI runs is not."""
    return path.name.startswith(".") and path.name not in {".ci", ".gitignore", ".editorconfig"}


def modules(*folders: str) -> list[Path]:
    """Every Python module below these folders."""
    return [path for path in files(*folders) if path.suffix == ".py"]


def name(path: Path) -> str:
    """The file's path inside the project."""
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))
