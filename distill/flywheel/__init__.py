"""Rounds in which a student learns from its own failures; docs/flywheel.md."""
