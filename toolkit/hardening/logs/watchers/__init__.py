"""The watchers, one file each; adding one is adding one file."""
