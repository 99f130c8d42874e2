"""Pictures of faces with labels: the set as arrays, one reader a file, and what was kept from training."""
