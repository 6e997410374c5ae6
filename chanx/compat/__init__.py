"""The machinery of the class-based API: consumers, channel layers, routers. The kernel does not know it."""
