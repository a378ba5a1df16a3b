"""Distillation: a rule-based teacher scores every trajectory of a vocabulary, and a student learns these scores."""
