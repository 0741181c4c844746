"""Opens firmware images, names what is inside, says what is wrong and what it means."""
