"""What a processor could do to stimuli without a word: cut, pad, choose, scale."""

import json

import numpy as np
import pytest
import small_models
import torch
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
PADDED = pytest.mark.filterwarnings("ignore:stimuli are padded")
TEXTS = ["a cat sees the dog", "the house", "a cat"]


@pytest.mark.parametrize("has_mask", [True, False])
def test_texts_of_siglip_are_padded_as_they_were_in_training(has_mask, tmp_path, rng):
    """It reads them at their last position; the library's processor leaves them as they are."""
    small_models.save_siglip(tmp_path)
    if not has_mask:
        small_models.drop_mask(tmp_path)
    pixels = rng.integers(0, 255, (3, 40, 48, 3)).astype(np.uint8)
    pictures = [Image.fromarray(one) for one in pixels]
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    own = transformers.SiglipModel.from_pretrained(tmp_path).eval()
    given = processor(text=TEXTS, images=pictures, padding="max_length", return_tensors="pt")
    assert ("attention_mask" in given) == has_mask
    with torch.no_grad():
        expected = own(**given).text_model_output.pooler_output
    for part in (None, "text_model"):
        loaded = nl.load_model(f"hf/{tmp_path}", part=part)
        if part:
            stimuli = nl.load_stimuli(TEXTS, kind="text", model=loaded)
        else:
            stimuli = nl.load_stimuli({"images": pictures, "text": TEXTS}, model=loaded)
        address = "head" if part else "text_model.head"
        acts = nl.extract_activations(loaded, stimuli, ops=address, quiet=True)
        found = acts[acts.attrs["ops"][0]].activation
        np.testing.assert_allclose(found, expected, atol=1e-5)


@PADDED
def test_texts_of_tokenizers_that_cannot_pad(tmp_path):
    small_models.save_gpt(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli(TEXTS, kind="text", model=loaded)
    acts = nl.extract_activations(loaded, stimuli, ops="ln_f", batch_size=2, quiet=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    own = transformers.GPT2Model.from_pretrained(tmp_path).eval()
    for text, name in zip(TEXTS, stimuli.ids, strict=True):
        with torch.no_grad():
            alone = own(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        found = acts[acts.attrs["ops"][0]].activation.sel(stimulus=name)
        np.testing.assert_allclose(found[: len(alone)], alone, atol=1e-5)
    # The tokenizer states no longest text; the model does.
    with pytest.raises(InputError, match=r"a text has 17 tokens, and the model takes 16\. Cut"):
        loaded.transform("cat " * 17)


def test_texts_that_would_be_cut_are_refused(tmp_path, rng):
    small_models.save_clip(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    picture = Image.fromarray(rng.integers(0, 255, (40, 48, 3)).astype(np.uint8))
    with pytest.raises(InputError, match=r"a text has 42 tokens, and the model takes 32\. Cut"):
        loaded.transform({"images": picture, "text": "cat " * 40})

    def truncate(*given, **settings):
        return processor(*given, **settings, truncation=True, max_length=5)

    processor = loaded.transform.processor
    truncate.tokenizer = processor.tokenizer
    loaded.transform.processor = truncate
    assert len(loaded.transform({"images": picture, "text": "the cat"})["input_ids"]) == 4
    with pytest.raises(InputError, match=r"a text has 6 tokens, and the model takes 5\. Cut"):
        loaded.transform({"images": picture, "text": "a cat sees dog"})


def test_pictures_without_the_texts_that_the_model_takes(tmp_path, rng):
    """In a tuple a text counts as a label, and would be left out without a word."""
    small_models.save_clip(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    picture = Image.fromarray(rng.integers(0, 255, (40, 48, 3)).astype(np.uint8))
    for source in ([(picture, "a cat"), (picture, "a dog")], [picture, picture]):
        stimuli = nl.load_stimuli(source, model=loaded)
        with pytest.raises(InputError, match=r"takes a text beside a picture.*part=.vision_model"):
            stimuli["stim000"]
    part = nl.load_model(f"hf/{tmp_path}", part="vision_model")
    assert set(part.transform(picture)) == {"pixel_values"}
    assert set(loaded.transform("a cat")) == {"input_ids", "attention_mask"}


def test_truncation_in_a_file_of_a_tokenizer_cuts_nothing(tmp_path):
    small_models.save_bert(tmp_path)
    file = tmp_path / "tokenizer.json"
    content = json.loads(file.read_text())
    content["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    file.write_text(json.dumps(content))
    loaded = nl.load_model(f"hf/{tmp_path}")
    assert loaded.transform("a cat sees dog")["input_ids"].tolist() == [2, 4, 5, 6, 8, 3]


def test_a_processor_whose_tokenizer_has_no_words(tmp_path, rng):
    small_models.save_clip(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    loaded.transform.processor.tokenizer = tokenizer
    picture = Image.fromarray(rng.integers(0, 255, (40, 48, 3)).astype(np.uint8))
    with pytest.raises(InputError, match="has no words, so that all texts are the same to it"):
        loaded.transform({"images": picture, "text": "a cat"})


@pytest.mark.filterwarnings("ignore:.*mel filter has all zero values")
@pytest.mark.parametrize("is_silent", [True, False])
def test_sounds_whose_end_would_be_left_out(is_silent, tmp_path, rng):
    """The processor of this model states no longest sound, and cuts without a word."""
    small_models.save_spectrograms(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    kind = nl.stimuli.Sound(array_rate=16000)
    waves = 0.1 * rng.standard_normal((2, 4600)).astype(np.float32)
    if is_silent:
        waves[:, 2000:] = 0
    stimuli = nl.load_stimuli(waves, kind=kind, model=loaded)
    extractor = transformers.ASTFeatureExtractor.from_pretrained(tmp_path)
    given = extractor(list(waves), sampling_rate=16000, return_tensors="pt")["input_values"]
    for name, expected in zip(stimuli.ids, given, strict=True):
        torch.testing.assert_close(stimuli[name]["input_values"], expected)
    longer = np.concatenate([waves, waves], axis=1)
    stimuli = nl.load_stimuli(longer, kind=kind, model=loaded)
    with pytest.raises(InputError, match=r"ASTFeatureExtractor leaves out the end of .* 0\.575 s"):
        stimuli["stim000"]


def test_clips(tmp_path):
    """Floats would be divided by 255 as bytes are, and other frames be those of another clip."""
    small_models.save_video(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    with pytest.raises(
        InputError, match=r"the frames of a clip in uint8 .* got ndarray of float32"
    ):
        loaded.transform(np.zeros((4, 32, 32, 3), np.float32))
    with pytest.raises(InputError, match=r"takes clips of 4 frames, got one of 8\. Load kind=nl"):
        loaded.transform(np.zeros((8, 32, 32, 3), np.uint8))


def test_all_frames_are_used_by_processors_that_choose_some(tmp_path):
    small_models.save_video(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    clip = np.arange(4 * 32 * 32 * 3).reshape(4, 32, 32, 3).astype(np.uint8)
    made = loaded.transform(clip)["pixel_values"]
    loaded.transform.processor = transformers.VideoMAEVideoProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        do_sample_frames=True,
        num_frames=2,
    )
    assert loaded.transform(clip)["pixel_values"].shape == made.shape == (4, 3, 32, 32)


@pytest.mark.parametrize(
    "stimulus", [np.zeros((8, 8)), np.zeros((3, 8, 8)), np.zeros((8, 8, 3)), 3, None, ["a"]]
)
def test_stimuli_of_no_kind(tmp_path, stimulus):
    small_models.save_clip(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    with pytest.raises(InputError, match="a stimulus must be text"):
        loaded.transform(stimulus)
    with pytest.raises(InputError, match="one of each kind, got two of text"):
        loaded.transform(("a", "b"))
