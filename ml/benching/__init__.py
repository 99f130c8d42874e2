"""What `ml.bench` compares and measures with."""
