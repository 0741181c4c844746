"""The shared vocabulary: errors, bounded bytes, layouts, findings, registry, limits."""
