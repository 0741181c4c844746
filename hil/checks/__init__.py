"""One file per bench check; each defines ``CHECK``."""
