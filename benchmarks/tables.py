"""Text tables for the terminal and for Markdown."""

from dataclasses import dataclass, field

from rich.markup import escape
from rich.table import Table


@dataclass(kw_only=True)
class TextTable:
    """Rows of cells under a head; the first columns are text, the remaining ones figures."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    num_left: int = 1
    """Number of left-aligned text columns."""

    def add(self, *cells: str) -> None:
        """Append a row.

        Raises:
            ValueError: When it has another number of cells than the head.
        """
        if len(cells) != len(self.head):
            raise ValueError(f"{self.title!r} has {len(self.head)} columns, got a row of {len(cells)}: {cells}.")
        self.rows.append(cells)

    def printed(self) -> Table:
        """The table for the terminal."""
        table = Table(title=escape(self.title), title_justify="left")
        for place, name in enumerate(self.head):
            table.add_column(escape(name), justify="left" if place < self.num_left else "right")
        for row in self.rows:
            table.add_row(*(escape(cell) for cell in row))
        return table

    def markdown(self) -> str:
        """The table in Markdown."""
        marks = ["---" if place < self.num_left else "---:" for place in range(len(self.head))]
        lines = [self.head, *self.rows]
        cells = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"**{self.title}**", "", cells[0], "|" + "|".join(marks) + "|", *cells[1:], ""])
