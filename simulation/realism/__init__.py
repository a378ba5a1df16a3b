"""How similar generated scenes, drives and maps are to recorded ones."""
