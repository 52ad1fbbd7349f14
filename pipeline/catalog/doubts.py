"""What is not known of a strength per standard deviation, by the marks that the card and the report put behind it."""


def doubts(in_range: bool | None, verified: bool | None, by: str | None) -> list[str]:
    """Return † where images at it were not the model's own, ‡ where it was not verified, § where the target only falls so far."""
    marks = {"†": in_range is False, "‡": not verified, "§": by == "fall"}
    return [mark for mark, doubted in marks.items() if doubted]
