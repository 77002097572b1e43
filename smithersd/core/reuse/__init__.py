"""What a run takes over of an earlier one (`up --from`)."""
