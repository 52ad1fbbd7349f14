"""Which sample ids are for what: a sample's noise depends on the seed of a run and its id alone, and no id serves two purposes."""

FITTED = range(0, 1_000_000_000)  # directions are found in these
HELD_OUT = range(1_000_000_000, 1_500_000_000)  # effects are measured on these
FRESH = range(1_500_000_000, 2_000_000_000)  # nothing that the pipeline makes looks at these: to check what it says
SEARCHED = range(2_000_000_000, 3_000_000_000)  # effects that choose what to project away are measured on these
GAUGED = range(3_000_000_000, 4_000_000_000)  # how far directions are followed is found on these
SWAPPED = range(4_000_000_000, 5_000_000_000)  # h of these is swapped, to see what it carries
SELECTED = range(5_000_000_000, 5_500_000_000)  # effects that choose strengths and directions are measured on these
PLACED = range(5_500_000_000, 6_000_000_000)  # effects that choose capture points are measured on these
CONFIRMED = range(6_000_000_000, 6_500_000_000)  # what was ranked first is measured once more on these
VERIFIED = range(6_500_000_000, 7_000_000_000)  # strengths per standard deviation are tried on these
OTHERWISE = range(7_000_000_000, 7_500_000_000)  # strengths by a sampler of another kind are measured on these

SEEDS = 500  # draws of held-out samples, at most
MOST_HELD_OUT = len(HELD_OUT) // SEEDS  # samples of a draw, at most


def held_out(seed: int, i: int) -> int:
    """Return the id of sample i of a draw of held-out samples; both count from 0."""
    return drawn(HELD_OUT, seed, i)


def drawn(ids: range, seed: int, i: int) -> int:
    """Return the id of sample i of a draw of samples that are for one purpose; both count from 0."""
    return ids.start + seed * MOST_HELD_OUT + i
