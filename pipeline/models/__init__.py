"""From a folder or a hub id to a network that is ready to run."""
