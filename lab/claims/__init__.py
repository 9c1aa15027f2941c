"""The catalogue of claims about TCP, and which scenarios name which of them."""
