"""nuPlan's closed-loop and open-loop metrics."""
