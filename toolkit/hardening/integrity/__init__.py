"""What the software of a device looked like when it was good, and what is different in a dump of it."""
