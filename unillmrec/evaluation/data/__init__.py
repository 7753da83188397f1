"""What an evaluation reads: interactions, splits, held-out histories."""
