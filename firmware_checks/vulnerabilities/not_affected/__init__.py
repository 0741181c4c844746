"""Why a vulnerability of a component does not apply to a device, where what was found in its image shows that."""
