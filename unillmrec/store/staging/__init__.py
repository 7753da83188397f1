"""Write a new tree file beside its target, and publish it in one step."""
