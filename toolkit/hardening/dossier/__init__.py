"""Everything that is known about one version of a device, in the order in which an authority asks for it."""
