"""From photos to faces to answers: one by one on a CPU, or together on a GPU."""
