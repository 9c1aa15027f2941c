"""Kernels that lie: every check is shown to fail when what it looks at is altered."""
