"""What is known to be wrong with the parts that were found, and why it applies to them or not."""
