"""All scenarios under one setting after the other: `scripts/settings`. Standard library only."""
