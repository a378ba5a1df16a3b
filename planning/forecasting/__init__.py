"""Forecasts of agents."""
