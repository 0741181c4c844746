"""Small images in the containers that devices come in, built from files by name, for twins and training."""
