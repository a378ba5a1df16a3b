"""Closed-loop simulation, metrics, benchmark, scenario generation and viewer."""
