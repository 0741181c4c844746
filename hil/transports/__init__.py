"""One file per kind of connection; each defines ``SCHEME``."""
