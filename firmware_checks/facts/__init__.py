"""Readers of structures that name software, one file each; see ``firmware_checks/fact_reader.py``."""
