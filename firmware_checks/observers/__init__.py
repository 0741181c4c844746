"""What checks need to know of the files of an image, one observer a file."""
