"""What the console script's larger commands do; `hub.cli` declares them."""
