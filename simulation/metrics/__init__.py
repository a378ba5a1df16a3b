"""How good a drive was, by nuPlan's rules, and why each point was lost."""
