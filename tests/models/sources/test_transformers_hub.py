import json

import numpy as np
import pytest
import small_models
import torch
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, InputError

transformers = pytest.importorskip("transformers")
TEXTS = ["a cat sees the dog", "the house", "dog in the house sees a cat"]
PADDED = pytest.mark.filterwarnings("ignore:stimuli are padded")


@PADDED
def test_text(tmp_path):
    """Masked tokens change nothing: the values are those of the texts alone."""
    small_models.save_bert(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli(TEXTS, kind="text", model=loaded)
    acts = nl.extract_activations(
        loaded.model, stimuli, ops="encoder.layer.1", batch_size=2, quiet=True
    )
    found = acts[acts.attrs["ops"][0]].activation
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    for text, name in zip(TEXTS, stimuli.ids, strict=True):
        tokens = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            alone = model(**tokens).last_hidden_state[0]
        values = found.sel(stimulus=name).values[: len(alone)]
        np.testing.assert_allclose(values, alone, atol=1e-5)


def test_pictures_and_text_by_parts(tmp_path, rng):
    small_models.save_clip(tmp_path)
    pixels = rng.integers(0, 255, (3, 40, 48, 3)).astype(np.uint8)
    loaded = nl.load_model(f"hf/{tmp_path}", part="vision_model")
    stimuli = nl.load_stimuli(pixels, model=loaded)
    acts = nl.extract_activations(loaded.model, stimuli, ops="post_layernorm", quiet=True)
    whole = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    given = processor(images=[Image.fromarray(one) for one in pixels], return_tensors="pt")
    with torch.no_grad():
        expected = whole.vision_model(**given).pooler_output
    np.testing.assert_allclose(acts[acts.attrs["ops"][0]].activation, expected, atol=1e-5)
    assert "part vision_model" in loaded.identity.describe()

    words = nl.load_model(f"hf/{tmp_path}", part="text_model")
    one = nl.load_stimuli(["a cat"], kind="text", model=words)["stim000"]
    assert one["input_ids"].tolist() == [2, 4, 5, 3]


@PADDED
def test_pictures_with_text(tmp_path, rng):
    small_models.save_clip(tmp_path)
    pixels = rng.integers(0, 255, (3, 40, 48, 3)).astype(np.uint8)
    pictures = [Image.fromarray(one) for one in pixels]
    loaded = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli({"images": pictures, "text": TEXTS}, model=loaded)
    pairs = [{"images": one, "text": text} for one, text in zip(pictures, TEXTS, strict=True)]
    assert nl.load_stimuli(pairs, model=loaded).hash_items() == stimuli.hash_items()
    acts = nl.extract_activations(loaded.model, stimuli, ops="text_projection", quiet=True)
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    for k, name in enumerate(stimuli.ids):
        given = processor(text=TEXTS[k], images=pictures[k], return_tensors="pt")
        with torch.no_grad():
            # Their lengths are told by the place of the last token.
            hidden = loaded.model.text_model(
                input_ids=given["input_ids"], attention_mask=given["attention_mask"]
            )
            expected = loaded.model.text_projection(hidden.pooler_output)[0]
        found = acts[acts.attrs["ops"][0]].activation.sel(stimulus=name)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(InputError, match="'a cat sees the dog' is a text, and no transform"):
        nl.load_stimuli(pairs)["stim000"]


def test_sound(tmp_path, rng):
    small_models.save_whisper(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}", part="encoder")
    waves = rng.standard_normal((3, 8000)).astype(np.float32)
    stimuli = nl.load_stimuli(waves, model=loaded)
    acts = nl.extract_activations(loaded.model, stimuli, ops="layer_norm", quiet=True)
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(tmp_path)
    given = extractor(list(waves), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        expected = loaded.model(given["input_features"]).last_hidden_state
    np.testing.assert_allclose(acts[acts.attrs["ops"][0]].activation, expected, atol=1e-5)


def test_clips(tmp_path, rng):
    small_models.save_video(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    clips = rng.integers(0, 255, (3, 4, 40, 40, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli(clips, model=loaded)
    acts = nl.extract_activations(loaded.model, stimuli, ops="encoder.layer.1", quiet=True)
    processor = transformers.VideoMAEImageProcessor.from_pretrained(tmp_path)
    given = processor([list(clip) for clip in clips], return_tensors="pt")
    with torch.no_grad():
        expected = loaded.model(**given, output_hidden_states=True).hidden_states[-1]
    np.testing.assert_allclose(acts[acts.attrs["ops"][0]].activation, expected, atol=1e-5)


def test_random_weights_belong_to_their_seed(tmp_path):
    small_models.save_bert(tmp_path)
    first, again, other = (
        nl.load_model(f"hf/{tmp_path}", weights=None, rng=k).identity.sha256 for k in (1, 1, 2)
    )
    trained = nl.load_model(f"hf/{tmp_path}").identity.sha256
    assert first == again
    assert len({first, other, trained}) == 3


def test_stimuli_that_the_model_does_not_take(tmp_path):
    small_models.save_bert(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="does not take a picture|cannot prepare 'picture'"):
        nl.load_stimuli(pixels, model=loaded)["stim000"]
    long = nl.load_stimuli(["cat " * 40], kind="text", model=loaded)
    with pytest.raises(InputError, match=r"a text has 42 tokens, and the model takes 32\. Cut"):
        long["stim000"]
    with pytest.raises(InputError, match="'a cat' is a text, and no transform turns it"):
        nl.load_stimuli(["a cat"], kind="text")["stim000"]


def test_tokenizers_without_a_mask_pad_to_the_longest_that_the_model_takes(tmp_path):
    small_models.save_bert(tmp_path)
    config = tmp_path / "tokenizer_config.json"
    settings = json.loads(config.read_text()) | {"model_input_names": ["input_ids"]}
    config.write_text(json.dumps(settings))
    loaded = nl.load_model(f"hf/{tmp_path}")
    made = nl.load_stimuli(TEXTS, kind="text", model=loaded)["stim001"]
    assert set(made) == {"input_ids"}
    assert made["input_ids"].tolist() == [2, 7, 10, 3] + [0] * 28


def test_entries_that_a_checkpoint_lacks_are_told_and_belong_to_the_seed(tmp_path):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=11, max_position_embeddings=40, **small_models.SMALL
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    with (
        pytest.raises(DataError, match="has no files of a tokenizer, or one without words"),
        pytest.warns(RuntimeWarning, match="lack 2 of 39 entries"),
    ):
        nl.load_model(f"hf/{tmp_path}")
    small_models.make_tokenizer().save_pretrained(tmp_path)
    before = torch.get_rng_state()
    with pytest.warns(RuntimeWarning, match=r"lack 2 of 39 entries, which are random, from rng=0"):
        first, again = (nl.load_model(f"hf/{tmp_path}").identity for _ in range(2))
    assert first == again
    assert first.weights.endswith("2 entries random, rng=0")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a cat", "texts are loaded from a list, one text per stimulus, got str"),
        ({"a": "a cat"}, "texts are loaded from a list, one text per stimulus, got dict"),
        (["a", "\ud83d"], "text number 2 holds half of a character"),
        (["a", ""], "a text that is not empty; number 2 is ''"),
        (["a", 3], "a text that is not empty; number 2 is 3"),
    ],
)
def test_sources_of_texts(texts, message):
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(texts, kind="text")


def test_texts_are_told_apart_by_their_content():
    first, again, other = (
        nl.load_stimuli(["a cat", text], kind="text") for text in ("dog", "dog", "house")
    )
    assert first.hash_items() == again.hash_items() != other.hash_items()
    assert first.select(["stim001"]).hash_each() == first.hash_each()[1:]


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(
        DataError, match="the configuration of 'nobody/nothing' could not be loaded"
    ):
        nl.load_model("hf/nobody/nothing")
