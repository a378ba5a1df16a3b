"""Drawing of drives and scenarios from above, and the colours of all pictures."""
