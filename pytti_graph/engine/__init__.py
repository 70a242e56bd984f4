"""Runs plans on tensors: clock, streams, checkpoints, events, outputs."""
