"""Hand-made maps and scenes with known results: curves, roads, motion, scenes."""
