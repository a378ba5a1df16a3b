"""Compiled plane geometry: boxes, polygons, polylines, corridors and area rasters."""
