"""The machine: namespaces, a veth, kernel sockets, sysctls, and what the kernel says about its own state."""
