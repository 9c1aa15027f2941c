"""Model of TCP in pure Python: no sockets, no clock, no randomness."""
