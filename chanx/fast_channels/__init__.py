"""Import paths of chanx 2.x without Django, which pass names on."""
