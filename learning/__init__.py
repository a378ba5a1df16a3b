"""Training of any network: optimiser loop, resuming, curves, several processes."""
