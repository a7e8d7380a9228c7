"""The sandbox adapter: images and containers of a Docker engine."""
