"""What comes in and what goes out, in marshmallow: unknown fields are refused, every fault is named."""
