"""Pictures of scenarios."""
