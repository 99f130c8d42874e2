"""What `ml.predict` does with any number of photos: find them, ask the model, write rows as they come, go on later."""
