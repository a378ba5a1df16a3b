"""How the other road users move: replayed from the log, or reacting."""
