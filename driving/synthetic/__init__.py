"""Small worlds made by hand, whose right answers are known: curves, roads, moving things and scenes."""
