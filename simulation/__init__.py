"""How the world answers: closed-loop simulation, scores and scenario generation."""
