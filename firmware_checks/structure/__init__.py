"""Structure of raw program images: load base, vectors, family, protection words, trailers."""

from firmware_checks.structure.analyse import analyse

__all__ = ["analyse"]
