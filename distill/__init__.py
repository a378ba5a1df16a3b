"""Who taught us: a rule-based teacher that judges every trajectory of a vocabulary."""
