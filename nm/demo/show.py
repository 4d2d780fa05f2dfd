"""How the demo is printed: acts, progress of jobs, and matrices of who reaches whom."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from nm.lab.errors import LabError

Pair = tuple[str, str]
COLOURS = ("green", "cyan", "magenta", "yellow")
LEGEND = "+ reaches   . does not   # reaches and must not   ? must and does not   - is off"


@dataclass(frozen=True)
class Matrix:
    """What was measured, and what of it is wrong."""

    machines: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    off: set[str]
    seen: set[Pair]
    leaks: set[Pair]
    missing: set[Pair]

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return not self.leaks and not self.missing

    def cell(self, pair: Pair) -> str:
        """One sign for one pair."""
        signs = ((pair in self.leaks, "#"), (pair in self.missing, "?"), (pair in self.seen, "+"))
        if pair[0] == pair[1]:
            return ""
        return next((sign for true, sign in signs if true), "-" if pair[0] in self.off else ".")


class Show:
    """The demo's output, for a terminal or a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def say(self, text: str, style: str = "") -> None:
        """A line of plain text."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def act(self, title: str, proves: str) -> None:
        """A new act, and what it proves."""
        self.say(f"\n{title}", "bold")
        self.say(proves)

    def progress(self, nm: Any, jobs: Sequence[int], seconds: float) -> None:
        """Wait for the jobs to be done, with a bar each; LabError tells why one is not."""
        deadline = time.monotonic() + seconds
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(20, complete_style="green", finished_style="green"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as bars:
            tasks = {job: bars.add_task(f"job {job}", total=None) for job in jobs}
            while tasks:
                for job, task in list(tasks.items()):
                    seen = nm.GetJob(job)
                    words = f"{seen['kind']} {seen['subject']}"
                    bars.update(task, description=words, completed=seen["done"], total=seen["total"] or None)
                    if seen["state"] == "done":
                        del tasks[job]
                    elif seen["state"] not in ("queued", "running"):
                        raise LabError(f"{words}: {seen['state']}: {seen['error']}")
                if time.monotonic() > deadline:
                    raise LabError(f"jobs {', '.join(map(str, tasks))} took longer than {seconds:g} s")
                time.sleep(0.05)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A plain table."""
        table = Table(box=box.ASCII, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*map(Text, row))
        self._console.print(table)

    def matrix(self, matrix: Matrix) -> None:
        """Who reaches whom: rows ask, columns answer."""
        colours = dict(zip(matrix.groups, COLOURS, strict=False))
        group_of = {member: name for name, members in matrix.groups.items() for member in members}
        style = {machine: colours.get(group_of.get(machine, ""), "") for machine in matrix.machines}
        table = Table(box=box.ASCII, pad_edge=False, show_edge=False)
        table.add_column("")
        for machine in matrix.machines:
            table.add_column(Text(machine, style=style[machine]), justify="center")
        for asking in matrix.machines:
            cells = [matrix.cell((asking, answering)) for answering in matrix.machines]
            name = f"{asking} {group_of.get(asking, '')}".rstrip()
            table.add_row(
                Text(name, style[asking]), *(Text(sign, _style(sign, style[asking])) for sign in cells)
            )
        self._console.print(table)
        self._console.print(Text(LEGEND, style="dim"))
        for words, pairs in (("LEAK", matrix.leaks), ("MISSING", matrix.missing)):
            if pairs:
                self.say(f"{words}: " + ", ".join(f"{a} -> {b}" for a, b in sorted(pairs)), "bold red")
        seconds = time.monotonic() - self._began
        if matrix.good:
            self.say(f"As it must be ({seconds:.0f} s).", "bold green")
        else:
            self.say(f"NOT as it must be ({seconds:.0f} s).", "bold red")


def _style(sign: str, group: str) -> str:
    return {"#": "bold white on red", "?": "bold black on yellow", "+": f"bold {group}"}.get(sign, "dim")
