"""A catalog's directions on sliders: a server that makes new samples, edits them, and sends the pictures while they come about."""
