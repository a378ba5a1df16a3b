"""A check of type, dtype and shape for arrays that come from outside: compiled code indexes without bounds checks."""

import numpy as np

FLOAT64 = np.dtype(np.float64)


def require_array(name: str, value: object, axes: tuple[str, ...], shape: tuple[int | None, ...]) -> None:
    """Raise unless a value is a float64 array of a shape.

    Args:
        name: For the message, for example `Trajectory.poses`.
        value: What is checked.
        axes: For the message: a word or a number per axis, for example `("time", "3")`.
        shape: Required lengths; None where any length fits.

    Raises:
        TypeError: When it is no NumPy array, or of another dtype.
        ValueError: When its shape differs.
    """
    if isinstance(value, np.ndarray) and value.dtype == FLOAT64:
        if len(value.shape) == len(shape):
            for length, required in zip(value.shape, shape, strict=True):
                if required is not None and length != required:
                    break
            else:
                return
        raise ValueError(f"{_expected(name, axes)}, got shape {value.shape}.")
    found = f"dtype {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
    raise TypeError(f"{_expected(name, axes)}, got {found}.")


def _expected(name: str, axes: tuple[str, ...]) -> str:
    return f"{name} must be a float64 NumPy array of shape ({', '.join(axes)})"


def require_shapes(owner: str, arrays: dict[str, tuple[np.ndarray, tuple[int, ...]]]) -> None:
    """Raise unless all arrays have their shapes.

    Args:
        owner: For the message, for example `3 agents at 5 steps`.
        arrays: By name: the array and its required shape.

    Raises:
        ValueError: Names the first array whose shape differs.
    """
    for name, (array, shape) in arrays.items():
        if array.shape != shape:
            raise ValueError(f"{name} of {owner} must have shape {shape}, got {array.shape}.")
