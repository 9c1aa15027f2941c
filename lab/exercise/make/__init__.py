"""Make: rungs of a ladder on which a learner writes a TCP endpoint that talks to the real kernel."""
