"""Replay of retraining policies over an error matrix, without look-ahead."""
