"""The bottleneck of a U-Net, read and edited while it generates."""
