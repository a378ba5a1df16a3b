"""Learned traffic: agents decide twice a second by a network trained on towns. Only training needs torch."""
