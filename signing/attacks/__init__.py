"""Every way we know to get a bad update past a verifier, ready to be tried; one file a format."""
