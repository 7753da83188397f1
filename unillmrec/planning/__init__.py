"""Estimate what a run will cost before anything is sent."""
