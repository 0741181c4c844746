"""Which network traffic belongs to the device's job, and how rules for it are written."""
