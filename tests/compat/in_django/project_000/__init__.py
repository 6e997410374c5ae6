"""A project whose consumers are those that document 000 prints."""
