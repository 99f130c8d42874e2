"""What the cascade's networks look at: photos at any size and in crops, fast or exact, one by itself or several."""
