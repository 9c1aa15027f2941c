"""A running lab: conversations of peers with the kernel, the kernel's states and timers, retransmissions."""
