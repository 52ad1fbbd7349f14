"""From activations and scores to directions: arrays in, arrays out."""
