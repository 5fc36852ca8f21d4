"""Exploring a broker or a small program: by hypothesis with a state machine, or in every order there is."""
