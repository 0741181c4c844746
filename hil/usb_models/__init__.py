"""One file per emulated USB device; each defines ``USB_MODEL``."""
