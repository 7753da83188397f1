"""Recommend items: the recommender, its result, and the reasons for each item."""
