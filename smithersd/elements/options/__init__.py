"""The options of elements that are attempted."""
