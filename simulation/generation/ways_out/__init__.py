"""Ways out of a situation: candidate drives, their collision check and score, their verification in closed loop."""
