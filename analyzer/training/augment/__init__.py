"""What happens to a video between a face and the network."""
