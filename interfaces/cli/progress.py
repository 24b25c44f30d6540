"""Progress bars on stderr, where somebody watches; else a line that says what begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

REDRAWS_PER_SECOND = 4

Reached = Callable[[int], None]


@contextmanager
def progress_bar(label: str, total: int, *, quiet: bool = False) -> Iterator[Reached]:
    """Yield a function that is told how much of `total` is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        if not quiet:
            console.print(f"{label} ...", style="dim", highlight=False)
        yield _nothing
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, refresh_per_second=REDRAWS_PER_SECOND, transient=True
    ) as progress:
        task = progress.add_task(label, total=max(total, 1))

        def reached(done: int) -> None:
            progress.update(task, completed=done)

        yield reached


def _nothing(_: int) -> None:
    pass
