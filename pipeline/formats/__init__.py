"""Files to arrays and back, without meaning."""
