"""Small models of transformers, saved in a folder as their libraries save them."""

import json
from pathlib import Path

import pytest
import torch

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "sees", "the", "dog", "in", "house"]


class Bomb:
    """Would run code when unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code was run",)


def make_tokenizer(longest: int = 32):
    """Return a tokenizer of whole words."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=longest,
    )


def save_bert(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=11, max_position_embeddings=40, **SMALL)
    transformers.BertModel(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def save_clip(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    text = transformers.CLIPTextConfig(
        vocab_size=11,
        max_position_embeddings=40,
        eos_token_id=3,
        bos_token_id=2,
        pad_token_id=0,
        **SMALL,
    )
    vision = transformers.CLIPVisionConfig(image_size=32, patch_size=8, **SMALL)
    config = transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    transformers.CLIPModel(config).save_pretrained(folder)
    pictures = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.CLIPProcessor(image_processor=pictures, tokenizer=make_tokenizer())
    processor.save_pretrained(folder)


def save_whisper(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=64,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=50,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(chunk_length=1).save_pretrained(folder)


def save_spectrograms(folder: Path) -> None:
    """Save a model of sounds whose processor takes 0.3 s and leaves out the rest."""
    import transformers

    torch.manual_seed(0)
    config = transformers.ASTConfig(
        patch_size=8, frequency_stride=8, time_stride=8, max_length=30, num_mel_bins=16, **SMALL
    )
    transformers.ASTModel(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(num_mel_bins=16, max_length=30).save_pretrained(folder)


def save_video(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, tubelet_size=2, **SMALL
    )
    transformers.VideoMAEModel(config).save_pretrained(folder)
    transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)


def save_wav2vec(folder: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=8,
        conv_dim=(8, 8),
        conv_stride=(20, 16),
        conv_kernel=(20, 16),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        **SMALL,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def save_siglip(folder: Path, longest: int = 12) -> None:
    """Save a model whose texts are padded to the longest, as it was trained."""
    import transformers

    torch.manual_seed(0)
    text = transformers.SiglipTextConfig(
        vocab_size=11,
        max_position_embeddings=longest,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        **SMALL,
    )
    vision = transformers.SiglipVisionConfig(image_size=32, patch_size=8, **SMALL)
    config = transformers.SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    transformers.SiglipModel(config).save_pretrained(folder)
    tokenizer = make_tokenizer(longest)
    pictures = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    processor = transformers.SiglipProcessor(image_processor=pictures, tokenizer=tokenizer)
    processor.save_pretrained(folder)


def drop_mask(folder: Path) -> None:
    """Let a saved tokenizer give no mask."""
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text()) | {"model_input_names": ["input_ids"]}
    file.write_text(json.dumps(settings))


def save_gpt(folder: Path) -> None:
    """Save a model whose tokenizer has no token to pad with."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=11,
        n_positions=16,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=2,
        eos_token_id=3,
    )
    transformers.GPT2Model(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(
        folder
    )
