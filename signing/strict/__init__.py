"""Strict readers in front of every library parser: one document has one meaning, or it is refused."""
