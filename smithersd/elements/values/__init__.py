"""Values as authors write them: whether they survive JSON, where they differ, and copies of them."""
