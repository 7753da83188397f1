"""The systems an evaluation compares: baselines, the paper's scheme, and ours."""
