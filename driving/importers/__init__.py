"""Importers: recordings of other data sets as `Recording`."""
