"""A checkpoint and what runs it: network, card, runtimes, precision, calibration, and what mattered for an answer."""
