"""The model: what TCP is, in pure Python, with no socket, no clock and no randomness."""
