"""An app for chats."""
