"""Scenarios by words: a controlled vocabulary, its grammar, the condition, its realisation, and measured facts."""
