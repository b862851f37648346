"""The libraries that models come from: one file for each, all with ``build_model``.

``vision`` is torchvision, ``images`` timm, ``transformers_hub`` Hugging Face's transformers,
``repositories`` torch.hub.
"""
