"""Ego motion: bicycle model, tracking controllers and their batched versions."""
