"""Many scenarios, several planners, any number of workers: results on disk as they come, and a report."""
