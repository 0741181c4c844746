"""A plan for a device that cannot be patched: what protects it, who answers for it, and until when."""
