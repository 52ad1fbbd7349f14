"""From images to scores, features or regions."""
