"""What is different between two firmware images."""
