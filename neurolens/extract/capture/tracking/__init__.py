"""Which tensor of a pass is which value: ``tensor_tracker``, and ``overlap`` of their memories."""
