"""What happened, as data: events, checks, verdicts, results, what the kernel says of a socket. No behaviour."""
