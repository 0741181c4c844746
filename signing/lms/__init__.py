"""LMS: hash-based signatures whose key counts; a number used twice gives the key away."""
