"""Import paths of chanx 0.12 that pass names on."""
