"""Mutation testing of the checks: the lab reads one altered value of the kernel."""
