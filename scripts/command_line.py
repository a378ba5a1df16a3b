"""What all commands share: quiet and verbose modes, progress, and errors as one sentence."""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tyro
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Arguments = TypeVar("Arguments", bound="CommonArguments")

# Tables in a file or a pipe are not squeezed into 80 columns.
WIDE = 200
console = Console(width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class CommonArguments:
    """Settings of every command."""

    quiet: bool = False
    """Print results and errors only, no progress."""
    verbose: bool = False
    """Print what is done, and full tracebacks of errors."""


def run(arguments: type[Arguments], main: Callable[[Arguments], None], description: str | None) -> None:
    """Parse the command line, run `main`, and turn expected errors into a sentence and exit code 1."""
    parsed = tyro.cli(arguments, description=description)
    level = logging.DEBUG if parsed.verbose else logging.ERROR if parsed.quiet else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[RichHandler(console=errors, show_path=False)])
    for noisy in ("matplotlib", "PIL", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        main(parsed)
    except (OSError, ValueError, LookupError) as error:
        if parsed.verbose:
            raise
        sentence = error.args[0] if isinstance(error, KeyError) and error.args else error
        errors.print(f"[bold red]Error:[/] {type(error).__name__}: ", end="", highlight=False)
        errors.print(str(sentence), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(130)


def progress(arguments: CommonArguments) -> Progress:
    """A progress bar with time left on stderr, invisible in quiet mode and when stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=arguments.quiet or not errors.is_terminal,
    )
