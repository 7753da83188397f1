"""Evaluate a recommender on held-out histories, beside baselines, with confidence intervals.

A *case* is what a system is given about one person. The *ground truth* is what that person
chose next; only the scorer has it. A *system* is anything that recommends: this package or a
baseline. *Evaluation data* is what all systems receive: the catalog, the interactions they may
learn from, and the cases.

To add a baseline, write a class with the methods of `systems.contract.System` and register it
in `systems.registry`. To add a data set, write a loader and register it in `datasets`.
"""
