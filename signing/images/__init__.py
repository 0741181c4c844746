"""Formats of signed images, one a file; found by folder."""
