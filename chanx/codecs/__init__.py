"""Families of message types. A file here teaches the kernel one family; `protocol.py` says what it must know."""
