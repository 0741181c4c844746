"""How services, settings and scripts of a device are read, and what of it is reported together."""
