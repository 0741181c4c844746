"""May a device leave the house? What its storage still holds of patients and of the network."""
