"""Signatures of OpenPGP (RFC 9580): read by a small reader of our own, verified like every other signature."""
