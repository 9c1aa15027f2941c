"""Saved runs: writing and reading them. Every view works on a loaded `Run`; FORMAT.md describes the file."""
