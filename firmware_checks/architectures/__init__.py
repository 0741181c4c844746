"""One file per processor architecture; each defines ``ARCHITECTURE``."""
