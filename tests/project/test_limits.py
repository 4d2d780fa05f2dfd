"""What a page, a function and an error handler may be; each exception is in a list here, with its reason."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.tree import files, modules, name, parsed

PYTHON = ("nm", "tests", "benchmarks")
MODULE_LINES = 600
FUNCTION_LINES = 60
MEDIAN_LINES = 10

# Where any exception is caught without being raised again, and why.
CATCH_ALL = {
    "nm/api.py": "a method's failure is the answer to its call",
    "nm/database.py": "an operation's failure is its caller's, a listener's must not end the journal",
    "nm/geni/amapi.py": "a call's failure is the answer to it",
    "nm/http.py": "one client's or tick's failure must not close the door for all",
    "nm/scriptwork.py": "a script's failure is the answer to it, in another thread",
    "nm/workers.py": "a job's failure must not end its subject's worker",
    "nm/waiting.py": "a question's failure is raised where it was asked, in another thread",
}

# Written so that they do not find themselves.
UNFINISHED = re.compile(r"TO[D]O|FIX[M]E|NotImplemented[E]rror")
ELSEWHERE = re.compile(r"py[p]i\.org|python[h]osted|debian\.o[r]g|npm[j]s|/wo[r]k/|/root/\.p[y]env|nm-p[l]an")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (
                f"{name(path)}:{node.lineno} {node.name}",
                (node.end_lineno or node.lineno) - node.lineno + 1,
            )


def test_a_module_is_a_page() -> None:
    long = {
        name(path): lines
        for path in modules(*PYTHON)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES
    }
    assert not long


def test_a_function_fits_on_the_screen() -> None:
    long = {
        place: lines
        for path in modules(*PYTHON)
        for place, lines in functions(path)
        if lines > FUNCTION_LINES
    }
    assert not long


def test_most_functions_are_short() -> None:
    assert statistics.median(lines for path in modules("nm") for _, lines in functions(path)) <= MEDIAN_LINES


def test_every_module_says_why_it_exists() -> None:
    rooms = [path for path in modules("nm", "benchmarks") if path.stat().st_size]
    silent = [name(path) for path in rooms if not ast.get_docstring(parsed(path))]
    assert not silent


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether it takes every exception, and keeps it."""
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    raised_again = isinstance(handler.body[-1], ast.Raise)
    return bool(re.search(r"\b(Base)?Exception\b", caught)) and not raised_again


def handlers(*folders: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for path in modules(*folders):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                yield name(path), node


def test_every_handler_says_what_it_catches() -> None:
    assert not [place for place, handler in handlers(*PYTHON) if handler.type is None]


def test_who_catches_all_is_listed() -> None:
    assert {place for place, handler in handlers("nm", "benchmarks") if catches_all(handler)} == set(
        CATCH_ALL
    )


def sleeps(node: ast.AST, looping: bool = False) -> Iterator[int]:
    """Lines that sleep once, and not in a loop: one that looks again, or a device that is slow."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and not looping:
            called = getattr(child.func, "attr", getattr(child.func, "id", ""))
            if called == "sleep":
                yield child.lineno
        yield from sleeps(child, looping or isinstance(child, ast.While | ast.For))


def test_no_test_sleeps_for_luck() -> None:
    assert not [f"{name(path)}:{line}" for path in modules("tests") for line in sleeps(parsed(path))]


@pytest.mark.parametrize("path", list(files()), ids=name)
def test_a_file_is_finished_and_speaks_of_the_project_alone(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # a picture or the like
    assert not UNFINISHED.findall(text)
    assert not ELSEWHERE.findall(text)
