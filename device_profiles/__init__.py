"""What is known about a device: the schema, the loader, and profiles as data."""
