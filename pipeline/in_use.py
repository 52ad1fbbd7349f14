"""What a process has loaded, for whoever in it loads the same: one copy in memory, for as long as anybody holds it.

The stages of a run load the same networks one after another, and a worker keeps several stages loaded: without this it would hold,
and read, the same weights several times. A network is run by one thread at a time, since the hooks that read and edit h are its
own. So it is shared only by who asks for that, as a worker does, which makes one part at a time.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

_sharing: ContextVar[bool] = ContextVar("sharing", default=False)
_in_use: "WeakValueDictionary[Hashable, Any]" = WeakValueDictionary()


@contextmanager
def sharing() -> Iterator[None]:
    """What is loaded inside the block is what this process holds of it already, or will be."""
    token = _sharing.set(True)
    try:
        yield
    finally:
        _sharing.reset(token)


def in_use(key: Hashable, load: Callable[[], T]) -> T:
    """What this process holds under a key; where nobody holds it any more, what `load` gives, which from now on is that.

    Outside `sharing`, under a key without a hash, and where no weak reference can be had of what is loaded, `load` is called each
    time.
    """
    if not _sharing.get():
        return load()
    try:
        held = _in_use.get(key)
    except TypeError:  # no hash
        return load()
    if held is None:
        held = load()
        with suppress(TypeError):  # no weak reference
            _in_use[key] = held
    return held
