"""How long a pool on Ray waits, and how often it tries: all its numbers, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What is given up, and when. Times are in seconds."""

    review: float = 2.0  # the cluster, the crew and the deadlines are looked at so often
    again: float = 60.0  # what is waited for is said so often
    attempts: int = 4  # deaths of workers, or deadlines missed, that a part is given up after
    bad_luck: float = 1e-6  # a part is given up where so many deaths are less likely than this among the others
    starts: int = 20  # workers in a row that die as they start, before a run gives up
    start: float = 300.0  # a worker that Ray has room for and that is not there by then is started again
    grace: float = (
        30.0  # a worker that is to come may be better than those that cannot work with the store, for so long
    )
    idle: float = 60.0  # on a cluster, a worker that has nothing to do is let go after so long
    chunk: float = 0.25  # small parts go to a worker together: so much work at once
    most: int = 64  # parts at once
    factor: float = 10.0  # a part may take so many times the median of its stage
    floor: float = 60.0  # and always so long
    look: float = 60.0  # a worker that is at one part for so long is looked at: is its process stopped?
    gpu: float = (
        900.0  # where a cluster began with no machine, so long is one with a GPU waited for before going on without
    )
