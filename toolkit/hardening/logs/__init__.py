"""What the logs of a device tell: exported files are read one event at a time, and watched for what should not be."""
