"""Makes update packages and signed images; believes none until it is verified."""
