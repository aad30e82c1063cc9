"""Progress of long calls: a bar, or whatever a caller wants to do with the counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from kvsim.errors import ConfigError

Progress = bool | Callable[[int, int], object] | None
Watch = Callable[[int, int], object] | None


def fail_type(name: str, value: object, allowed: str) -> NoReturn:
    """Raise the error about an argument of the wrong type."""
    raise ConfigError(f"{name}: got a {type(value).__name__}; allowed: {allowed}")


@contextmanager
def watching(progress: Progress, total: int | None, what: str = "points") -> Iterator[Watch]:
    """Give a callable for (done, total), or None; a bar is closed at the end.

    The total may not be known before the first call.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        from tqdm.auto import tqdm

        with tqdm(total=total, unit=f" {what}", dynamic_ncols=True) as bar:

            def update(done: int, of: int) -> None:
                bar.total = of
                bar.update(done - bar.n)

            yield update
    elif callable(progress):
        yield progress
    else:
        fail_type("progress", progress, "True, None or a callable")
