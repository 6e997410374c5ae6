"""Programs to read and run. Each file opens with what it shows and the command that starts it."""
