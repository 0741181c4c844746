"""The front door: command line and everything a person starts."""
