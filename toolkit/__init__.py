"""medharden's shared ground: the vocabulary (core), the way out (report) and the front door (app)."""

__version__ = "0.1.0"
