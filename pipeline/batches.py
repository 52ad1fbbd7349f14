"""Many things, some at a time."""

from collections.abc import Iterator


def batches(n: int, size: int) -> Iterator[slice]:
    """Slices of `size`, the last one of what is left, that cover n things in order: of rows, samples, columns, bytes."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
