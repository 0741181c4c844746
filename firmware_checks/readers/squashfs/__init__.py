"""Squashfs: a read-only file system whose files, folders and tables are all packed in blocks."""
