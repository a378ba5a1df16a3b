"""Real recordings from other data sets as recordings of ours."""
