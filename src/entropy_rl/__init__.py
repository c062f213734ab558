"""Entropy in reinforcement learning: joint actions, entropy estimators, policies, environments."""
