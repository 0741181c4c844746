"""Update packages: one file with everything an update needs to be believed."""
