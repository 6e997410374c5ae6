"""Generic consumers."""
