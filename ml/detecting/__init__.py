"""MTCNN's cascade: what FaceDetector is made of, for one photo or for many on a device."""
