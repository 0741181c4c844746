"""The gate to a device: only a verified update passes, and a pulled plug leaves the old version or the new one."""
