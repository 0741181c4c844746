"""One file per image format; each defines ``FORMAT``."""
