"""nuPlan's own file formats, read and written without its devkit."""
