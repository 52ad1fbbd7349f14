"""What lies on storage, and nothing about how it is made."""
