"""A catalog in the formats of other tools: one file a format, which says what its folder holds."""
