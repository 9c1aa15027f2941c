"""Crowds: thousands of connections that repeat an example."""
