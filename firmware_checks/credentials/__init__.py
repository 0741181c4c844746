"""What is known about passwords and keys in general: well-known ones, how they are stored, what only looks like one."""
