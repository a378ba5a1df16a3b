"""PDM-Closed: propose by IDM on some parallel paths, simulate, score, take the best (Dauner et al., CoRL 2023)."""
