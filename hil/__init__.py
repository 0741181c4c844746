"""Talks to devices, real or emulated, and proves what a device refuses."""
