"""Records of runs as data: events, checks, results, states of kernel sockets, and their JSON. No behaviour."""
