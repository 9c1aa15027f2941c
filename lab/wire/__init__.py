"""Bytes: segments to frames and back, the one door to Scapy, the AF_PACKET link and what wraps it."""
