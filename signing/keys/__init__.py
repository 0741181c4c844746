"""Kinds of places where private keys live, one a file; found by folder."""
