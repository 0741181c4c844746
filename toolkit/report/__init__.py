"""One report in, many documents out."""
