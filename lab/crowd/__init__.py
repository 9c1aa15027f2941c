"""Thousands of connections like one."""
