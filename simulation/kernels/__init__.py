"""Compiled geometry: what runs thousands of times a second, on flat arrays."""
