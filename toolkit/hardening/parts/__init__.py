"""The parts of the hardening pack, one file each; adding one is adding one file."""
