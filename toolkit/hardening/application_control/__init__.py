"""Default deny: what the device may execute is listed, everything else is refused."""
