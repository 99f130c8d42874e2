"""MTCNN's cascade, for one photo or for many on a device; README.md here tells how its parts play together."""
