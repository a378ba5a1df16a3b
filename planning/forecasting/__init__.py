"""Forecasts of agents along their lanes."""
