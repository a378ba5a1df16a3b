"""Generators of scenarios, and their registry."""
