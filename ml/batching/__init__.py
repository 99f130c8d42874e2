"""Photos on their way through the pipeline: read ahead, searched and cut together."""
