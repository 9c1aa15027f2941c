"""A run on disk, and back. What is loaded is the `Run` that was saved, so every view works on it; see FORMAT.md."""
