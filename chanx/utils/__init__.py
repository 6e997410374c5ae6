"""Small helpers of the class API, by the import paths of chanx 2.x."""
