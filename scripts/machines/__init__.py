"""Virtual machines for the lab: a Debian kernel, a Debian root, QEMU. Standard library only, nothing is installed.

`scripts/vm-test` and `scripts/kernel-matrix` are its two commands.
"""
