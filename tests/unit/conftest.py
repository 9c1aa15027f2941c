from __future__ import annotations

from hypothesis import settings

settings.register_profile("deterministic", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("deterministic")
