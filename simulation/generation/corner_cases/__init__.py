"""Corner cases: rare and dangerous situations from templates, each with a known way out."""
