"""Camera images of a scenario: ground, agents and roadside objects, drawn by a rasteriser."""
