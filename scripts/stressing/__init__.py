"""The lab on a machine that has too much to do: `scripts/stress`. Standard library only."""
