"""Towns from a seed: streets and junctions, traffic that keeps the rules, and an ego that was recorded in it."""
