"""Bytes: encoding and decoding of frames, the only module that imports Scapy, the AF_PACKET link and its wrapper."""
