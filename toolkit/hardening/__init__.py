"""The hardening pack: what protects a device that cannot run protection software, derived from image and profile."""
