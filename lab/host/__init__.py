"""The machine: namespaces, veth pairs, kernel sockets, sysctls, inet_diag and the state tracepoint."""
