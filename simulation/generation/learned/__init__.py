"""Learned scenes: an autoregressive network that places agents on the lanes of any map."""
