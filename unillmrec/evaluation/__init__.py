"""Evaluate a recommender against held-out histories, beside baselines, with intervals.

A *case* is what a system is told of one person, the *truth* what that person met next, and
only the scorer has it. A *system* is whatever recommends: this chain or a baseline. An *exam*
is what all systems get: the catalog, the interactions they may learn from, and the cases.
"""
