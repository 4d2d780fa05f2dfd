"""What nmctl writes: blocks of text, as tables by rich on a terminal, plain and aligned elsewhere.

Pure but for Output.show and its kin. Text from the daemon is never taken for markup, and characters
that would steer a terminal are shown as escapes.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

_COLOURS = {
    "green": ("free", "joined", "deployed", "done"),
    "cyan": ("running",),
    "yellow": ("joining", "leaving", "promised", "deploying", "destroying", "staged", "queued"),
    "magenta": ("unverified",),
    "red": ("failed", "dirty"),
    "dim": ("out", "superseded", "-"),
}
_ANSI = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}
LONG = 200  # rows that are not worth folding
STYLES = {word: colour for colour, words in _COLOURS.items() for word in words}


@dataclass(frozen=True)
class Line:
    """One line of text. `style`, bold or a colour of STYLES, is how it looks on a terminal."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under headings. `empty` is said when there is no row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    empty: str = "none"


@dataclass(frozen=True)
class Fields:
    """Labels and their texts, one a line."""

    pairs: Sequence[tuple[str, str]]


Block = Line | Table | Fields


def clean(text: str) -> str:
    """The text with everything that is not printable as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def plain(block: Block) -> list[str]:
    """The block as aligned lines without colour."""
    if isinstance(block, Line):
        return [clean(block.text)]
    if isinstance(block, Fields):
        width = max((len(label) for label, _ in block.pairs), default=0)
        return [f"{label:{width}}  {clean(text)}".rstrip() for label, text in block.pairs]
    title = [block.title] if block.title else []
    if not block.rows:
        return [*title, block.empty]
    rows, widths = _grid(block)
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [*title, *(line.rstrip() for line in lines)]


def _grid(table: Table) -> tuple[list[list[str]], list[int]]:
    """The table's headings and rows, and how wide each column is."""
    rows = [list(table.columns), *([clean(cell) for cell in row] for row in table.rows)]
    return rows, [max(map(len, column)) for column in zip(*rows, strict=True)]


class Unwritable(Exception):
    """Stdout or stderr takes nothing: a full disk, say. A reader that has left is a BrokenPipeError."""


class Output:
    """Where answers (stdout) and remarks (stderr) go, and in which form."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.json = False
        self.quiet = False

    @property
    def terminal(self) -> bool:
        """Whether somebody looks at stdout on a terminal."""
        return self.stdout.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def watched(self) -> bool:
        """Whether somebody reads stderr on a terminal, and wants remarks."""
        return self.stderr.isatty() and not self.quiet and not self.json

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around whatever writes."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unwritable(error.strerror or str(error)) from None

    def say(self, text: str) -> None:
        """Write text to stdout as it is."""
        with self.writing():
            print(text, file=self.stdout)

    def finish(self) -> None:
        """Nothing that was written to stdout is left in memory."""
        with self.writing():
            self.stdout.flush()

    def show(self, blocks: Iterable[Block]) -> None:
        """Write blocks to stdout, with an empty line around tables that follow another block."""
        blocks = list(blocks)
        long = sum(len(block.rows) for block in blocks if isinstance(block, Table)) > LONG
        with self.writing():
            for number, block in enumerate(blocks):
                if number and not isinstance(block, Line):
                    print(file=self.stdout)
                lines = _coloured(block, long) if self.terminal else plain(block)
                if lines or not self.terminal or isinstance(block, Line):
                    print("\n".join(lines), file=self.stdout)
                else:
                    _show_rich(block, self.stdout)

    def result(self, value: Any) -> None:
        """Write the result of a command as JSON."""
        self.document({"ok": True, "result": value})

    def document(self, value: Any) -> None:
        """Write one JSON document on one line."""
        self.say(json.dumps(value, ensure_ascii=False))
        self.finish()

    def note(self, text: str) -> None:
        """A remark on stderr for people; none with --quiet and --json."""
        if self.quiet or self.json:
            return
        dim = self.stderr.isatty() and "NO_COLOR" not in os.environ
        with self.writing():
            print(f"\x1b[2m{clean(text)}\x1b[0m" if dim else clean(text), file=self.stderr, flush=True)

    def aside(self, text: str) -> None:
        """A remark for somebody at a terminal only; in a log it would be noise."""
        if self.watched:
            self.note(text)

    def failure(self, message: str, hint: str) -> None:
        """An error on stderr."""
        with self.writing():
            print(f"nmctl: {clean(message)}", file=self.stderr)
            if hint:
                print(f"hint: {clean(hint)}", file=self.stderr)


def _coloured(block: Block, long: bool) -> list[str]:
    """The block's lines with colours, when none needs folding or all is long; none when rich is to do it.

    Rich takes longer to load than a daemon to answer, and half a second for a thousand rows.
    """
    if isinstance(block, Line):
        return [painted(clean(block.text), block.style)]
    if isinstance(block, Fields):
        return []
    if not block.rows:
        return plain(block)
    rows, widths = _grid(block)
    if not long and sum(widths) + 2 * len(widths) > shutil.get_terminal_size().columns:
        return []
    lines = [painted(block.title, "bold")] if block.title else []
    for number, row in enumerate(rows):
        styles = [STYLES.get(cell, "") if number else "bold" for cell in row]
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        cells[-1] = cells[-1].rstrip()
        lines.append("  ".join(map(painted, cells, styles)))
    return lines


def painted(text: str, style: str) -> str:
    """The text in a colour of STYLES, or bold."""
    if not style or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{_ANSI[style]}m{text}\x1b[0m"


def _show_rich(block: Table | Fields, stdout: TextIO) -> None:
    """What needs folding, or aligns labels and their texts."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stdout, highlight=False)
    headed = isinstance(block, Table)
    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=headed, header_style="bold")
    if isinstance(block, Table):
        for column in block.columns:
            table.add_column(column, overflow="fold")
        if block.title:
            console.print(Text(block.title, "bold"))
    else:
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
    for row in block.rows if isinstance(block, Table) else block.pairs:
        table.add_row(*(Text(clean(cell), STYLES.get(cell, "")) for cell in row))
    console.print(table)
