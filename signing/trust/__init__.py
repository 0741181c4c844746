"""Who may say what: keys with roles and thresholds, kept as TUF metadata."""
