"""The table of a fleet: which rows are shown, in which order, and how they look; used by the Fleet dashboard."""
