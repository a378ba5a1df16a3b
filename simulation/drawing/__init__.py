"""Pictures of scenarios from above."""
