"""One file per protocol that devices speak; each defines ``PROTOCOL``."""
