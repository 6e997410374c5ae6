"""Ready-made messages, by the import paths of chanx 0.12 and 2.x."""
