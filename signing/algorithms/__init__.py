"""Signature algorithms, one family a file; found by folder."""
