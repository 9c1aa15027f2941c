"""One lab at work: connections between peers and kernel, expectations, the kernel's states, timers, retransmissions."""
