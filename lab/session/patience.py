"""How long the lab waits for what is on its way."""

DEADLINE_S = 10.0
"""For a segment or the end of a system call that the kernel has a reason to bring; far above any delay of an ACK."""
OF_A_LIAR_S = 2.0
"""The same where the kernel lies on purpose, and what it takes away will not come."""
