"""Import paths of chanx 2.x that pass names on."""
