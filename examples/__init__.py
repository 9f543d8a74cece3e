"""Scripts that use the public API."""
