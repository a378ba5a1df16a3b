"""Scenarios that nobody recorded: generators and their registry."""
