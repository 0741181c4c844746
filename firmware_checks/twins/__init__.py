"""One file per documented case of a medical device; each defines ``TWIN``."""
