"""What `scripts/bench` measures and how: `cycles` what is compared, `labs` inside a lab, `commands` from outside."""
