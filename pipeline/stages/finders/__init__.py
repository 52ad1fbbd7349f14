"""From activations and labels to directions, each with the same table."""
