"""What the cameras see: bird's-eye-view networks on multi-camera input."""
