"""What is said of images: scores and features."""
