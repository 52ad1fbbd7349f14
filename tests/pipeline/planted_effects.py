"""Tables of effects and scores as stages make them, from rows that name strengths alone. Imported by name."""

import pandas as pd


def indexed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a strength_index: the strengths counted as they rise, -1 where unedited."""
    edited = sorted(set(table["strength"]) - {0.0})
    places = {strength: i for i, strength in enumerate(edited)}
    return table.assign(strength_index=[places.get(strength, -1) for strength in table["strength"]])
