"""From the name of a model to RDMs of its ops, in five lines for every kind of model.

Each is compared with what its own library does: the processor and the model run by hand, one
stimulus at a time.
"""

import numpy as np
import pytest
import small_models
import torch
import trained_models
import video_files
from PIL import Image

import neurolens as nl

transformers = pytest.importorskip("transformers")
soundfile = pytest.importorskip("soundfile")
TEXTS = ["a cat sees the dog", "the house", "dog in the house sees a cat", "a cat"]
PADDED = pytest.mark.filterwarnings("ignore:stimuli are padded")


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: small inputs on several threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path, rng):
    """Return a folder of pictures of several sizes, one of them gray, and their ids."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size in (("a", (40, 48, 3)), ("b", (64, 36, 3)), ("c", (33, 33)), ("d", (50, 50, 3))):
        Image.fromarray(rng.integers(0, 255, size).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def open_pictures(folder):
    return [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]


def run_by_hand(model, address, inputs):
    """Return the result of a module of a model for each of some inputs, (stimulus, feature)."""
    kept = []

    def keep(module, given, result):
        kept.append(result)

    handle = model.eval().get_submodule(address).register_forward_hook(keep)
    with torch.no_grad():
        for one in inputs:
            model(**one) if not isinstance(one, torch.Tensor) else model(one)
    handle.remove()
    return torch.cat([result.reshape(len(result), -1) for result in kept]).double().numpy()


def check_rdms(rdms, expected, ids, atol=1e-6):
    """Compare the RDM of one op with 1 - r of features (stimulus, feature)."""
    assert rdms.stimulus.values.tolist() == list(ids)
    found = rdms.squeeze(drop=True).values
    assert found.shape == (len(ids), len(ids))
    square = 1 - np.corrcoef(expected)
    assert square[~np.eye(len(ids), dtype=bool)].min() > 1e-4
    np.testing.assert_allclose(found, square, atol=atol)


def test_timm(pictures):
    timm = pytest.importorskip("timm")
    model = nl.load_model("timm/test_vit", weights=None, rng=4)
    stimuli = nl.load_stimuli(pictures, model=model)
    grams = nl.extract_grams(model, stimuli, ops="norm", batch_size=3, quiet=True)
    rdms = nl.compute_rdms(grams)

    torch.manual_seed(4)
    own = timm.create_model("test_vit", pretrained=False)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(own))
    inputs = [transform(one)[None] for one in open_pictures(pictures)]
    check_rdms(rdms, run_by_hand(own, "norm", inputs), "abcd", atol=1e-5)


@pytest.mark.parametrize(
    ("part", "address"), [("vision_model", "encoder.layers.1.mlp.fc2"), (None, "visual_projection")]
)
def test_pictures_of_clip(part, address, tmp_path, pictures):
    """The whole model takes pictures with texts, which leave the results of pictures alone."""
    small_models.save_clip(tmp_path)
    model = nl.load_model(f"hf/{tmp_path}", part=part)
    source = pictures if part else {"images": sorted(pictures.iterdir()), "text": ["a cat"] * 4}
    stimuli = nl.load_stimuli(source, ids=list("abcd"), model=model)
    rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, ops=address, quiet=True))

    own = transformers.CLIPModel.from_pretrained(tmp_path)
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    inputs = [processor(images=one, return_tensors="pt") for one in open_pictures(pictures)]
    if part is None:
        inputs = [{**one, **processor(text="a cat", return_tensors="pt")} for one in inputs]
    else:
        own = own.vision_model
    check_rdms(rdms, run_by_hand(own, address, inputs), "abcd")


@PADDED
def test_texts_of_clip(tmp_path, pictures):
    small_models.save_clip(tmp_path)
    model = nl.load_model(f"hf/{tmp_path}")
    source = {"images": sorted(pictures.iterdir()), "text": TEXTS}
    stimuli = nl.load_stimuli(source, ids=list("abcd"), model=model)
    grams = nl.extract_grams(model, stimuli, ops="text_projection", batch_size=2, quiet=True)
    rdms = nl.compute_rdms(grams)

    own = transformers.CLIPModel.from_pretrained(tmp_path)
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    pairs = zip(open_pictures(pictures), TEXTS, strict=True)
    inputs = [processor(images=one, text=text, return_tensors="pt") for one, text in pairs]
    check_rdms(rdms, run_by_hand(own, "text_projection", inputs), "abcd")


@PADDED
def test_masked_texts_of_bert(tmp_path):
    small_models.save_bert(tmp_path)
    model = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli(TEXTS, kind="text", model=model)
    acts = nl.extract_activations(
        model, stimuli, ops="encoder.layer.1.output.dense", reducer="mean", quiet=True
    )
    rdms = nl.compute_rdms(acts)

    own = transformers.BertModel.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    means = []
    for text in TEXTS:
        tokens = tokenizer(text, return_tensors="pt")
        values = run_by_hand(own, "encoder.layer.1.output.dense", [tokens])
        means.append(values.reshape(-1, 16).mean(0))
    check_rdms(rdms, np.stack(means), stimuli.ids)


def test_sounds_of_whispers_encoder(tmp_path, rng):
    small_models.save_whisper(tmp_path)
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name, n_values in (("a", 9000), ("b", 12000), ("c", 16000)):
        soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(n_values), 16000)
    model = nl.load_model(f"hf/{tmp_path}", part="encoder")
    stimuli = nl.load_stimuli(folder, model=model)
    rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, ops="layer_norm", quiet=True))

    own = transformers.WhisperModel.from_pretrained(tmp_path).encoder
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(tmp_path)
    inputs = []
    for path in sorted(folder.iterdir()):
        wave, rate = soundfile.read(path, dtype="float32")
        inputs.append(extractor(wave, sampling_rate=rate, return_tensors="pt"))
    check_rdms(rdms, run_by_hand(own, "layer_norm", inputs), "abc")


def test_videos_of_videomae(tmp_path):
    av = pytest.importorskip("av")
    small_models.save_video(tmp_path)
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, rate in (("a", 10), ("b", 5), ("c", 20)):
        video_files.write_video(folder / f"{name}.mp4", n_frames=4 * rate // 5, rate=rate)
    model = nl.load_model(f"hf/{tmp_path}")
    stimuli = nl.load_stimuli(folder, kind=nl.stimuli.Video(frames=4), model=model)
    op = "encoder.layer.1.output.dense"
    rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, ops=op, quiet=True))

    own = transformers.VideoMAEModel.from_pretrained(tmp_path)
    processor = transformers.VideoMAEImageProcessor.from_pretrained(tmp_path)
    inputs = []
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        # The middles of four equal parts.
        step = len(frames) // 4
        chosen = frames[step // 2 :: step]
        inputs.append(processor(list(chosen), return_tensors="pt"))
    check_rdms(rdms, run_by_hand(own, op, inputs), "abc")


def test_sounds_of_a_trained_network_for_pitch(tmp_path):
    """What it tells is the pitch that was played, and its RDM follows the distance of pitches."""
    model = trained_models.build_crepe()
    pitches = np.array([110.0, 220.0, 233.1, 246.9, 440.0, 880.0])
    times = np.arange(44100 // 4) / 44100
    for pitch in pitches:
        tone = sum(np.sin(2 * np.pi * k * pitch * times) / k for k in (1, 2, 3))
        soundfile.write(tmp_path / f"tone{pitch:05.0f}.wav", 0.3 * tone, 44100)
    kind = nl.stimuli.Sound(rate=16000, offset=0.05, duration=1024 / 16000)
    stimuli = nl.load_stimuli(tmp_path, kind=kind, transform=standardize)
    acts = nl.extract_activations(model, stimuli, quiet=True)
    rdms = nl.compute_rdms(acts)

    found = acts["/sigmoid"].activation
    cents = 1200 * np.log2(trained_models.read_pitch(found.values) / pitches)
    assert np.abs(cents).max() < 30
    with torch.no_grad():
        alone = torch.cat([model(stimuli[name][None]) for name in stimuli.ids])
    np.testing.assert_allclose(found, alone, atol=1e-6)
    # Neighbors of a semitone are closer than any others.
    rdm = rdms.sel(op="/sigmoid").values
    assert max(rdm[1, 2], rdm[2, 3]) < rdm[0, 1:].min()
    assert rdms.sizes["stimulus"] == len(pitches)


def standardize(wave):
    """Return a window of sound as CREPE takes it, by its paper: zero mean, unit variance."""
    values = torch.from_numpy(np.asarray(wave))
    return (values - values.mean()) / values.std()
