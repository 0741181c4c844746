"""One file per device that lives in this process; each defines ``MODEL``."""
