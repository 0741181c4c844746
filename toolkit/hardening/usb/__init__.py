"""Which USB devices may be plugged into the device, and how rules for that are written."""
