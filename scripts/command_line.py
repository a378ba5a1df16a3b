"""Shared by all commands: quiet and verbose modes, progress, and errors as one sentence."""

import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import tyro
from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from driving.text import printable

Arguments = TypeVar("Arguments", bound="CommonArguments")

# Tables in a file or a pipe are not squeezed into 80 columns.
WIDE = 200


class _Console(Console):
    """A console that escapes control characters in all strings that it prints, cells of tables included."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, keeps_lines=True), **options)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keeps_lines=True)


# No emoji: `devkit:car:Class` is a planner.
console = _Console(width=None if sys.stdout.isatty() else WIDE, emoji=False)
errors = _Console(stderr=True, emoji=False)


@dataclass(frozen=True, kw_only=True)
class CommonArguments:
    """Settings of every command."""

    quiet: bool = False
    """Print results and errors only, no progress."""
    verbose: bool = False
    """Print each step, and full tracebacks of errors."""


def require_count(option: str, count: int | None) -> None:
    """Check a number of things to process.

    Args:
        option: For the message, for example `--limit`.
        count: None for all.

    Raises:
        ValueError: When it is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"{option} must be at least 1, got {count}.")


def run(arguments: type[Arguments], main: Callable[[Arguments], None], description: str | None) -> None:
    """Parse the command line, run `main`, and turn expected errors into a sentence and exit code 1."""
    parsed = tyro.cli(arguments, description=description)
    level = logging.DEBUG if parsed.verbose else logging.ERROR if parsed.quiet else logging.WARNING
    handler = RichHandler(console=errors, show_path=False)
    handler.setFormatter(_Formatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    sys.excepthook = _print_traceback
    for noisy in ("matplotlib", "PIL", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        main(parsed)
    except (OSError, ValueError, LookupError) as error:
        if parsed.verbose:
            raise
        errors.print("[bold red]Error:[/] ", end="", highlight=False)
        print_line(_sentence(error), errors)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(130)


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        parts = [
            f"{'.'.join(str(place) for place in one['loc'])} = {one['input']!r}: {one['msg']}."
            for one in error.errors(include_url=False)
        ]
        return f"ValueError: wrong settings: {' '.join(parts)}"
    return f"{type(error).__name__}: {message_of(error)}"


def message_of(error: Exception) -> str:
    """The message of an error, with the notes that were attached to it."""
    # The text of a KeyError is the repr of its message.
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join([str(message), *getattr(error, "__notes__", [])])


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback as Python prints it, with control characters of the message escaped."""
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, trace)), keeps_lines=True))


def print_line(text: str, target: Console | None = None) -> None:
    """Print names, paths and messages on one line: they may hold characters that mark styles or control terminals."""
    (target or console).print(printable(text), markup=False, highlight=False, soft_wrap=True)


def print_lines(text: str) -> None:
    """Print a text of several lines, for example a table in Markdown."""
    for line in text.splitlines():
        print_line(line)


def print_left_out(sentence: str) -> None:
    """Print on stderr what was left out and why."""
    errors.print("[bold yellow]Left out:[/] ", end="", highlight=False)
    print_line(sentence, errors)


def progress(arguments: CommonArguments) -> Progress:
    """A progress bar with remaining time on stderr; hidden in quiet mode and when stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=arguments.quiet or not errors.is_terminal,
    )
