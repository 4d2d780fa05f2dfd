"""Figures with what is promised of them: a table, and whether all of it was kept."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """What was measured, and between what it is promised to be."""

    what: str
    measured: float
    least: float
    most: float

    @property
    def kept(self) -> bool:
        """Whether it is as promised."""
        return self.least <= self.measured <= self.most


def show(title: str, rows: Sequence[Row]) -> bool:
    """Print them; True when something is not as promised."""
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for column in ("measured", "promised"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row.what, f"{row.measured:.2f}", f"{row.least:g} to {row.most:g}")
    Console(width=120).print(table)
    return not all(row.kept for row in rows)
