import numpy as np
import pytest
import small_models
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError

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
    with pytest.raises(
        InputError, match="does not state its rate, and WhisperFeatureExtractor tak"
    ):
        nl.load_stimuli(waves, model=loaded)["stim000"]
    stimuli = nl.load_stimuli(waves, kind=nl.stimuli.Sound(array_rate=16000), model=loaded)
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
    with pytest.raises(
        InputError, match="does not take a picture|cannot prepare what .* as 'images'"
    ):
        nl.load_stimuli(pixels, model=loaded)["stim000"]
    long = nl.load_stimuli(["cat " * 40], kind="text", model=loaded)
    with pytest.raises(InputError, match=r"a text has 42 tokens, and the model takes 32\. Cut"):
        long["stim000"]
    with pytest.raises(InputError, match="'a cat' is a text, and no transform turns it"):
        nl.load_stimuli(["a cat"], kind="text")["stim000"]


def test_tokenizers_without_a_mask_pad_to_the_longest_that_the_model_takes(tmp_path):
    small_models.save_bert(tmp_path)
    small_models.drop_mask(tmp_path)
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
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        DataError, match="the configuration of 'nobody/nothing' could not be loaded"
    ):
        nl.load_model("hf/nobody/nothing")


def test_weights_in_half_precision_are_computed_with_in_single(tmp_path):
    """The library computes in half precision, with three digits; the file's numbers are the same."""
    small_models.save_bert(tmp_path)
    half = transformers.BertModel.from_pretrained(tmp_path).to(torch.bfloat16)
    half.save_pretrained(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}")
    for name, value in half.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value.float())
    assert loaded.identity.weights.endswith("bfloat16 in the file, float32 in the model")
    control = nl.load_model(f"hf/{tmp_path}", weights=None)
    assert {value.dtype for value in control.model.state_dict().values()} == {torch.float32}


def test_a_precision_that_was_asked_for_is_that_of_inputs_too(tmp_path, rng):
    small_models.save_clip(tmp_path)
    settings = {"dtype": torch.bfloat16, "part": "vision_model"}
    for options in (settings, settings | {"weights": None}):
        loaded = nl.load_model(f"hf/{tmp_path}", **options)
        pixels = rng.integers(0, 255, (2, 40, 40, 3)).astype(np.uint8)
        stimuli = nl.load_stimuli(pixels, model=loaded)
        assert stimuli["stim000"]["pixel_values"].dtype == torch.bfloat16
        assert loaded.model(pixel_values=stimuli["stim000"]["pixel_values"][None])
        assert "dtype=torch.bfloat16" in loaded.identity.describe()
    with pytest.raises(InputError, match="dtype must be one such as torch.float32, got 'int8'"):
        nl.load_model(f"hf/{tmp_path}", weights=None, dtype="int8")


def test_an_architecture_by_name(tmp_path):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=11, max_position_embeddings=40, **small_models.SMALL
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    small_models.make_tokenizer().save_pretrained(tmp_path)
    loaded = nl.load_model(f"hf/{tmp_path}", architecture="BertForMaskedLM")
    stimuli = nl.load_stimuli(["a cat", "a dog"], kind="text", model=loaded)
    own = transformers.BertForMaskedLM.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    acts = nl.extract_activations(loaded, stimuli, ops="cls.predictions.decoder", quiet=True)
    with torch.no_grad():
        logits = own(**tokenizer(["a cat", "a dog"], return_tensors="pt")).logits
    np.testing.assert_allclose(acts[acts.attrs["ops"][0]].activation, logits, atol=1e-5)
    assert loaded.identity.options == "architecture='BertForMaskedLM'"
    random = nl.load_model(f"hf/{tmp_path}", weights=None, architecture="BertForMaskedLM")
    assert type(random.model) is transformers.BertForMaskedLM
    with pytest.raises(UnknownNameError, match="no class of models of transformers named 'Bert'"):
        nl.load_model(f"hf/{tmp_path}", architecture="Bert")
    with pytest.raises(
        UnknownNameError, match="no class of models of transformers named 'AutoConf"
    ):
        nl.load_model(f"hf/{tmp_path}", architecture="AutoConfig")


def test_options_are_those_of_the_configuration_with_any_weights(tmp_path):
    small_models.save_bert(tmp_path)
    for weights in ("pretrained", None):
        loaded = nl.load_model(f"hf/{tmp_path}", weights=weights, num_hidden_layers=1)
        assert len(loaded.model.encoder.layer) == 1
        assert "with num_hidden_layers=1 (transformers" in loaded.identity.describe()
        with pytest.raises(InputError, match=r"with the options \(num_layer=1\): .*num_layer"):
            nl.load_model(f"hf/{tmp_path}", weights=weights, num_layer=1)


def test_files_that_are_not_the_models(tmp_path):
    small_models.save_bert(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    name = "encoder.layer.0.output.dense.weight"
    save_file({**state, name: state[name][:3].contiguous()}, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"the weights of .* could not be loaded"):
        nl.load_model(f"hf/{tmp_path}")
    save_file({f"x.{key}": value for key, value in state.items()}, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match="are none of BertModel's: all 39 entries are missing"):
        nl.load_model(f"hf/{tmp_path}")
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"the weights of .* could not be loaded"):
        nl.load_model(f"hf/{tmp_path}")
    file.unlink()
    torch.save({"a": small_models.Bomb()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"the weights of .* could not be loaded"):
        nl.load_model(f"hf/{tmp_path}")


def test_code_in_a_folder_is_not_run_unless_it_is_trusted(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Net"}}'
    )
    (tmp_path / "mine.py").write_text("import pytest\npytest.fail('code was run')\n")
    with pytest.raises(InputError, match="comes with code of its own, .* pass trust_code=True"):
        nl.load_model(f"hf/{tmp_path}")


def test_a_folder_without_its_processor(tmp_path):
    small_models.save_video(tmp_path)
    for name in ("preprocessor_config.json", "processor_config.json"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"the processor of .* processor.save_pretrained\(folder"):
        nl.load_model(f"hf/{tmp_path}")


def test_folders_that_are_not_there(tmp_path):
    for entry in (f"{tmp_path}/none", "~/models/mine", "./mine"):
        with pytest.raises(DataError, match="there is no folder '.*'. Pass that of a model"):
            nl.load_model(f"hf/{entry}")
