"""Functions of known libraries recognised in stripped Cortex-M programs, by signature packs."""
