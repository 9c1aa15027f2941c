"""Random connections with the real kernel, judged by the standing rules: `scripts/fuzz`."""
