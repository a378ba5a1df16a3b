"""Image backbones: images to feature maps, one per camera."""
