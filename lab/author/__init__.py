"""The author's words: Lab, kernel, peer, router, sockets; finding and running scenarios."""
