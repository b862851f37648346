"""The models of the zoo and their smallest inputs, built offline with random weights."""

import itertools
from typing import Any

import torch
from torch import nn

GROUPS = ("torchvision", "timm", "transformers", "recurrent")
# The side of a square image: the first that a plain run accepts is used.
SIDES = (64, 128, 224, 256, 288, 320)

TIMM = (
    "resnet18 resnetv2_50 vit_tiny_patch16_224 deit_tiny_patch16_224 beit_base_patch16_224 "
    "swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 convnext_atto convnextv2_atto "
    "efficientnet_lite0 mobilenetv3_small_050 mobilenetv4_conv_small ghostnet_050 regnety_002 "
    "densenet121 mixer_s32_224 resmlp_12_224 gmlp_ti16_224 cait_xxs24_224 coat_tiny "
    "crossvit_tiny_240 levit_128s pit_ti_224 poolformer_s12 pvt_v2_b0 twins_svt_small "
    "maxvit_nano_rw_256 coatnet_nano_rw_224 edgenext_xx_small mobilevit_xxs fastvit_t8 "
    "hrnet_w18_small dla34 ese_vovnet19b_dw res2net50_26w_4s resnest14d xcit_nano_12_p16_224 "
    "volo_d1_224 visformer_tiny nf_resnet26 inception_v4 xception41 repvgg_a0 hardcorenas_a "
    "cspresnet50 sequencer2d_s davit_tiny focalnet_tiny_srf efficientformer_l1 efficientvit_b0 "
    "tiny_vit_5m_224 hiera_tiny_224 nextvit_small eva02_tiny_patch14_224 mambaout_femto repvit_m1 "
    "starnet_s1 rdnet_tiny inception_next_atto vgg11 nasnetalarge selecsls42 gcvit_xxtiny shvit_s1 "
    "vitamin_small_224 convit_tiny naflexvit_base_patch16_gap"
).split()

_TEXT = {"input_ids": "ids"}
_PAIR = {"input_ids": "ids", "decoder_input_ids": "ids"}
_TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
}
_GROUPED = {**_TINY, "num_key_value_heads": 2, "max_position_embeddings": 64}
_PIXELS = {"pixel_values": (1, 3, 32, 32)}
_VISION = {k: v for k, v in _TINY.items() if k != "vocab_size"} | {
    "image_size": 32,
    "patch_size": 8,
}
_SOUND = {
    **_TINY,
    "conv_dim": (32, 32),
    "conv_stride": (4, 4),
    "conv_kernel": (8, 8),
    "num_feat_extract_layers": 2,
}
_SOUND |= {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
_COUPLED = {
    "d_model": 32,
    "vocab_size": 99,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
}
_COUPLED |= {
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "pad_token_id": 1,
}
_COUPLED |= {"bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
_STAGES = {
    "embed_dim": 16,
    "depths": [1, 1, 2],
    "num_heads": [2, 2, 4],
    "window_size": 4,
    "image_size": 32,
    "patch_size": 2,
}
_TWO = {
    "text_config": {**_TINY, "projection_dim": 16},
    "vision_config": _VISION,
    "projection_dim": 16,
}
# model type -> (settings of its configuration, arguments of its forward: a shape, or "ids" for
# token numbers)
TRANSFORMERS: dict[str, tuple[dict, dict]] = {
    "bert": (_TINY, _TEXT),
    "roberta": (_TINY, _TEXT),
    "distilbert": (
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 99},
        _TEXT,
    ),
    "electra": ({**_TINY, "embedding_size": 16}, _TEXT),
    "albert": ({**_TINY, "embedding_size": 16}, _TEXT),
    "deberta-v2": ({**_TINY, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}, _TEXT),
    "xlnet": ({"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "vocab_size": 99}, _TEXT),
    "longformer": ({**_TINY, "attention_window": 4}, _TEXT),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99}, _TEXT),
    "gpt_neox": (_TINY, _TEXT),
    "opt": ({**_TINY, "ffn_dim": 64, "word_embed_proj_dim": 32}, _TEXT),
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99}, _TEXT),
    "falcon": (_TINY, _TEXT),
    "llama": (_GROUPED, _TEXT),
    "mistral": (_GROUPED, _TEXT),
    "qwen2": (_GROUPED, _TEXT),
    "qwen3": ({**_GROUPED, "head_dim": 8}, _TEXT),
    "gemma": ({**_GROUPED, "head_dim": 8}, _TEXT),
    "phi": (_GROUPED, _TEXT),
    "mixtral": ({**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}, _TEXT),
    "olmoe": ({**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2}, _TEXT),
    "mamba": (
        {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 8},
        _TEXT,
    ),
    "rwkv": (
        {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "context_length": 32},
        _TEXT,
    ),
    "t5": (
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 99},
        _PAIR,
    ),
    "bart": (_COUPLED, _PAIR),
    "whisper": (
        {**_COUPLED, "num_mel_bins": 16, "max_source_positions": 20, "max_target_positions": 40},
        {"input_features": (1, 16, 40), "decoder_input_ids": "ids"},
    ),
    "wav2vec2": (_SOUND, {"input_values": (1, 1600)}),
    "hubert": (_SOUND, {"input_values": (1, 1600)}),
    "vit": (_VISION, _PIXELS),
    "beit": (_VISION, _PIXELS),
    "deit": (_VISION, _PIXELS),
    "dinov2": (_VISION, _PIXELS),
    "vit_mae": ({**_VISION, "decoder_hidden_size": 32}, _PIXELS),
    "swin": (_STAGES, _PIXELS),
    "swinv2": (_STAGES, _PIXELS),
    "convnextv2": ({"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}, _PIXELS),
    "segformer": (
        {"hidden_sizes": [8, 16, 24, 32], "num_attention_heads": [1, 2, 2, 4]},
        {"pixel_values": (1, 3, 64, 64)},
    ),
    "poolformer": ({"hidden_sizes": [8, 16, 24, 32]}, {"pixel_values": (1, 3, 64, 64)}),
    "clip": (_TWO, {**_TEXT, **_PIXELS}),
    "siglip": (_TWO, {**_TEXT, **_PIXELS}),
    "blip": (_TWO, {**_TEXT, **_PIXELS}),
    "perceiver": (
        {"num_latents": 8, "d_latents": 32, "d_model": 32, "num_blocks": 1},
        {"inputs": (1, 10, 32)},
    ),
}


class RecurrentArea(nn.Module):
    """One area of a CORnet-S-like network: a bottleneck run ``times`` times.

    Each time has batch norms of its own.
    """

    def __init__(self, n_in: int, n_out: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.conv_input = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.skip = nn.Conv2d(n_out, n_out, 1, stride=2, bias=False)
        self.norm_skip = nn.BatchNorm2d(n_out)
        self.conv1 = nn.Conv2d(n_out, n_out * 4, 1, bias=False)
        self.conv2 = nn.Conv2d(n_out * 4, n_out * 4, 3, stride=2, padding=1, bias=False)
        self.conv3 = nn.Conv2d(n_out * 4, n_out, 1, bias=False)
        self.nonlin = nn.ReLU(inplace=True)
        for t in range(times):
            for i, width in enumerate((n_out * 4, n_out * 4, n_out), start=1):
                setattr(self, f"norm{i}_{t}", nn.BatchNorm2d(width))

    def forward(self, x):
        x = self.conv_input(x)
        for t in range(self.times):
            skip = self.norm_skip(self.skip(x)) if t == 0 else x
            self.conv2.stride = (2, 2) if t == 0 else (1, 1)
            x = self.nonlin(getattr(self, f"norm1_{t}")(self.conv1(x)))
            x = self.nonlin(getattr(self, f"norm2_{t}")(self.conv2(x)))
            x = getattr(self, f"norm3_{t}")(self.conv3(x))
            x += skip
            x = self.nonlin(x)
        return x


class RecurrentNet(nn.Module):
    """Areas in a row with within-area recurrence, as in CORnet-S."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.v1 = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.v2, self.v4 = (
            RecurrentArea(width, width * 2, 2),
            RecurrentArea(width * 2, width * 4, 4),
        )
        self.it = RecurrentArea(width * 4, width * 8, 2)
        self.decoder = nn.Linear(width * 8, 10)

    def forward(self, x):
        return self.decoder(self.it(self.v4(self.v2(self.v1(x)))).mean((2, 3)))


class UnrolledNet(nn.Module):
    """Biological unrolling, as in CORnet-RT.

    At each step every area reads the output of the one below at the step before.
    """

    def __init__(self, width: int = 16, steps: int = 5) -> None:
        super().__init__()
        sizes = (3, width, width * 2, width * 4)
        self.steps = steps
        self.feed = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in itertools.pairwise(sizes))
        self.back = nn.ModuleList(nn.Conv2d(b, b, 3, 1, 1) for b in sizes[1:])
        self.norm = nn.ModuleList(nn.GroupNorm(4, b) for b in sizes[1:])
        self.decoder = nn.Linear(sizes[-1], 10)

    def forward(self, x):
        states: list = [None] * len(self.feed)
        for _ in range(self.steps):
            below = [x, *states[:-1]]
            new = list(states)
            for i, (feed, back, norm) in enumerate(
                zip(self.feed, self.back, self.norm, strict=True)
            ):
                if below[i] is None:
                    continue
                y = feed(below[i])
                y = y if states[i] is None else y + back(states[i])
                new[i] = torch.relu(norm(y))
            states = new
        return self.decoder(states[-1].mean((2, 3)))


class FeedbackNet(nn.Module):
    """Bottom-up, lateral and top-down connections (BLT).

    There are a gated lateral update and a read-out at every step.
    """

    def __init__(self, width: int = 16, steps: int = 4) -> None:
        super().__init__()
        self.steps = steps
        self.low, self.high = nn.Conv2d(3, width, 3, 2, 1), nn.Conv2d(width, width, 3, 2, 1)
        self.lateral, self.gate = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 1)
        self.top_down = nn.ConvTranspose2d(width, width, 2, 2)
        self.decoder = nn.Linear(width, 10)

    def forward(self, x):
        drive, feedback, readouts = self.low(x), 0, []
        low = torch.zeros_like(drive)
        for _ in range(self.steps):
            gate = torch.sigmoid(self.gate(low))
            low = gate * low + (1 - gate) * torch.tanh(drive + self.lateral(low) + feedback)
            high = torch.relu(self.high(low))
            feedback = self.top_down(high)
            readouts.append(self.decoder(high.mean((2, 3))))
        return torch.stack(readouts)


RECURRENT = {"cornet_s_like": RecurrentNet, "cornet_rt_like": UnrolledNet, "blt_like": FeedbackNet}


def list_names(group: str) -> list[str]:
    if group == "torchvision":
        from torchvision.models import list_models

        return list_models()
    return list({"timm": TIMM, "transformers": TRANSFORMERS, "recurrent": RECURRENT}[group])


def build_model(group: str, name: str) -> tuple[nn.Module, Any, dict | None, str]:
    """Return (model, inputs, kwargs, family), in evaluation mode.

    Weights are random, from one seed.
    """
    torch.manual_seed(0)
    if group == "recurrent":
        return RECURRENT[name]().eval(), torch.randn(1, 3, 64, 64), None, "recurrent"
    if group == "transformers":
        from transformers import AutoConfig, AutoModel

        settings, shapes = TRANSFORMERS[name]
        model = AutoModel.from_config(AutoConfig.for_model(name, **settings))
        model.config.use_cache = False
        ids = torch.randint(3, 90, (1, 12))
        return (
            model.eval(),
            None,
            {k: ids if s == "ids" else torch.randn(s) for k, s in shapes.items()},
            name,
        )
    if group == "timm":
        import timm

        model = timm.create_model(name, pretrained=False).eval()
        family = timm.models.model_entrypoint(name).__module__.rpartition(".")[2]
        return model, find_image(model), None, family
    return build_torchvision(name)


def build_torchvision(name: str) -> tuple[nn.Module, Any, dict | None, str]:
    from torchvision import models

    builder = models.get_model_builder(name)
    _, _, path = builder.__module__.partition("models.")
    kind, family = path.rpartition(".")[0] or "classification", path.rpartition(".")[2]
    settings: dict[str, Any] = {"weights": None}
    if kind in ("detection", "segmentation"):
        settings["weights_backbone"] = None
    if kind == "detection" and not name.startswith("ssd"):
        settings |= {"min_size": 64, "max_size": 96}
    if family == "vision_transformer":
        settings["image_size"] = 28 if name.endswith("14") else 64
    if family in ("googlenet", "inception"):
        settings |= {"init_weights": False}
    if kind == "quantization":
        settings["quantize"] = True
    model = models.get_model(name, **settings).eval()
    if kind == "detection":
        inputs: Any = (
            [torch.rand(3, 320, 320) if name.startswith("ssdlite") else torch.rand(3, 64, 80)],
        )
    elif kind == "optical_flow":
        inputs = (torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128))
        return model, inputs, {"num_flow_updates": 3}, f"{kind}: {family}"
    elif kind == "video":
        side = 224 if family in ("mvit", "s3d") else 64
        inputs = torch.rand(1, 3, 16, side, side)
    elif kind == "segmentation":
        inputs = torch.rand(1, 3, 64, 64)
    elif family == "vision_transformer":
        inputs = torch.rand(1, 3, settings["image_size"], settings["image_size"])
    else:
        inputs = find_image(model)
    return model, inputs, None, f"{kind}: {family}"


def find_image(model: nn.Module) -> torch.Tensor:
    """Return the smallest square image that the model accepts."""
    own = getattr(model, "default_cfg", {}).get("input_size", (3, 224, 224))[-1]
    error: Exception | None = None
    for side in dict.fromkeys((*(s for s in SIDES if s < own), own)):
        image = torch.randn(1, 3, side, side)
        try:
            with torch.no_grad():
                model(image)
            return image
        except (RuntimeError, AssertionError, ValueError, IndexError) as refused:
            error = refused
    raise RuntimeError(f"no image size up to {own} is accepted: {error}")
