import types

import pytest
import torch

from neurolens.models.needs import find_dtype, find_tokenizer, has_mask, has_words, read_needs


class Net(torch.nn.Module):
    def __init__(self, **config):
        super().__init__()
        self.counts = torch.nn.Parameter(torch.ones(2, dtype=torch.int32), requires_grad=False)
        self.weight = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
        self.config = types.SimpleNamespace(**config)

    def forward(self, input_ids=None, attention_mask=None, pixel_values=None):
        return input_ids


def make_tokenizer(longest, names=("input_ids", "attention_mask")):
    return types.SimpleNamespace(model_max_length=longest, model_input_names=names)


def test_what_a_model_takes():
    needs = read_needs(object(), Net(num_frames=4))
    assert needs.arguments == ("input_ids", "attention_mask", "pixel_values")
    assert needs.dtype == torch.float16
    assert needs.n_frames == 4
    assert (needs.n_tokens, needs.pads_text, needs.with_text) == (None, False, False)
    assert find_dtype(torch.nn.ReLU()) == torch.float32


@pytest.mark.parametrize(
    ("longest", "config", "expected"),
    [
        (32, {}, 32),
        (32, {"max_position_embeddings": 20}, 20),
        (10**30, {"max_position_embeddings": 20}, 20),
        (10**30, {}, None),
        (77, {"text_config": types.SimpleNamespace(max_position_embeddings=40)}, 40),
        (32, {"max_position_embeddings": None}, 32),
    ],
)
def test_the_longest_text_is_what_both_take(longest, config, expected):
    assert read_needs(make_tokenizer(longest), Net(**config)).n_tokens == expected


def test_texts_are_padded_where_nothing_masks_or_the_last_position_is_read():
    masked = make_tokenizer(8)
    unmasked = make_tokenizer(8, ["input_ids"])
    assert not read_needs(masked, Net(model_type="bert")).pads_text
    assert read_needs(masked, Net(model_type="siglip")).pads_text
    assert read_needs(unmasked, Net(model_type="bert")).pads_text
    assert not read_needs(make_tokenizer(10**30, ["input_ids"]), Net()).pads_text


def test_tokenizers_alone_and_among_several_parts():
    tokenizer = make_tokenizer(8)
    processor = types.SimpleNamespace(tokenizer=tokenizer)
    assert find_tokenizer(tokenizer) is find_tokenizer(processor) is tokenizer
    assert find_tokenizer(object()) is None
    assert not read_needs(tokenizer, Net()).with_text
    assert read_needs(processor, Net()).with_text
    assert has_mask(None)
    assert has_words(None)


def test_a_model_of_texts_that_takes_no_mask_is_told():
    class Unmasked(Net):
        def forward(self, input_ids=None):
            return input_ids

    with pytest.warns(RuntimeWarning, match="takes no 'attention_mask', so that padding counts"):
        read_needs(make_tokenizer(8), Unmasked())
    read_needs(make_tokenizer(8, ["input_ids"]), Unmasked())
