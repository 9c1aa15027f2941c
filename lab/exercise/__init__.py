"""Exercises: a learner predicts what the kernel sends, the real kernel is the answer key."""
