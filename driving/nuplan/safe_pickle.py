"""A safe decoder of pickled numbers, lists and tuples.

nuPlan's `.db` files store calibrations as pickles. Unpickling can execute code. This decoder executes only the pickle
instructions that put numbers into lists; it imports nothing and calls nothing.
"""

import pickletools
from collections.abc import Iterator
from typing import Any

Numbers = list[Any]
"""Numbers, or lists of them, nested."""

MAX_BYTES = 1 << 16
"""Upper bound of a calibration, which has some hundred bytes."""

MAX_NUMBERS = 4096
MAX_DEPTH = 4
"""Largest depth of nested lists; a pickle can contain a list that contains itself."""

_MARK = object()
_PUSHED = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"})
_IGNORED = frozenset({"PROTO", "FRAME"})
_STORED = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_FETCHED = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def decode_numbers(blob: object) -> Numbers:
    """Decode a pickled list (or tuple) of numbers or of such lists. Tuples come back as lists.

    Raises:
        ValueError: When the pickle contains anything else, for example a numpy array or a function call.
    """
    if not isinstance(blob, bytes):
        raise ValueError(f"A pickled column holds {type(blob).__name__}, expected bytes. Get the file again.")
    if len(blob) > MAX_BYTES:
        raise ValueError(f"A pickled column of {len(blob)} bytes is no calibration; at most {MAX_BYTES} are read.")
    try:
        result = _execute(blob)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"A pickled column is damaged ({type(error).__name__}: {error}). Get the file again."
        ) from error
    if not isinstance(result, list):
        raise ValueError(f"A pickled column holds {type(result).__name__}, expected a list of numbers.")
    if _count(result, MAX_DEPTH) > MAX_NUMBERS:
        raise ValueError(f"A pickled column holds more than {MAX_NUMBERS} numbers, which is no calibration.")
    return result


def _count(items: Numbers, depth: int) -> int:
    """Number of numbers and lists; stops early above the bound."""
    count = 0
    for item in items:
        if isinstance(item, list):
            if depth == 1:
                raise ValueError(f"A pickled column nests lists deeper than {MAX_DEPTH}, which is no calibration.")
            count += 1 + _count(item, depth - 1)
        elif isinstance(item, (int, float)):
            count += 1
        else:
            raise ValueError(f"A pickled column holds {type(item).__name__}, expected numbers. Get the file again.")
        if count > MAX_NUMBERS:
            break
    return count


def _execute(blob: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for name, argument in _instructions(blob):
        if name in _IGNORED:
            continue
        if name == "STOP":
            if len(stack) != 1:
                raise ValueError("A pickled column is damaged: it ends within a list. Get the file again.")
            return stack[0]
        if name in _PUSHED:
            stack.append(argument)
        elif name in _STORED:
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _FETCHED:
            stack.append(memo[int(argument)])
        else:
            _build(name, stack)
    raise ValueError("A pickled column is damaged: it has no end. Get the file again.")


def _instructions(blob: bytes) -> Iterator[tuple[str, Any]]:
    operations = pickletools.genops(blob)
    while True:
        try:
            operation, argument, _ = next(operations)
        except StopIteration:
            return
        except ValueError as error:
            raise ValueError(f"A pickled column is damaged ({error}). Get the file again.") from error
        yield operation.name, argument


def _build(name: str, stack: list[Any]) -> None:
    if name in ("NEWTRUE", "NEWFALSE"):
        stack.append(name == "NEWTRUE")
    elif name in ("EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append([])
    elif name == "MARK":
        stack.append(_MARK)
    elif name in ("LIST", "TUPLE"):
        stack.append(_since_mark(stack))
    elif name == "APPENDS":
        items = _since_mark(stack)
        stack[-1].extend(items)
    elif name == "APPEND":
        item = stack.pop()
        stack[-1].append(item)
    elif name in _TUPLES:
        count = _TUPLES[name]
        items = stack[-count:]
        del stack[-count:]
        stack.append(items)
    else:
        raise ValueError(
            f"A pickled column holds more than numbers and lists (pickle instruction {name}), which could run code."
            " It is not opened; get the file from its publisher, or write the column as a plain list."
        )


def _since_mark(stack: list[Any]) -> list[Any]:
    mark = len(stack) - 1
    while stack[mark] is not _MARK:
        mark -= 1
        if mark < 0:
            raise IndexError("a list without a start")
    items = stack[mark + 1 :]
    del stack[mark:]
    return items
