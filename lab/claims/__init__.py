"""The catalogue of claims about TCP, and the scenarios that name them."""
