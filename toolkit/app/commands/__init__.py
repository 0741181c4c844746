"""One file per verb of the command line; each defines ``COMMAND``."""
