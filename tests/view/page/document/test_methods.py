"""The methods paragraphs follow from the attributes, and no sentence stands twice."""

from graphs import build_residual, fake_best, fake_scores
from results import add_contrasts

from neurolens.view.page.document import build_document
from neurolens.view.page.document.methods import END, drop_repeats


def test_sentences_that_stood_before_are_left_out():
    paragraphs = ["One is true. Nili et al. 2014 said so. One is true.", "One is true. Two is."]
    assert drop_repeats(paragraphs) == ["One is true. Nili et al. 2014 said so.", "Two is."]
    assert drop_repeats(["", "A.", "A."]) == ["A."]


def test_paragraphs_tell_scores_choice_and_colors(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng).isel(op=slice(10))
    best = add_contrasts(fake_best(scores)).assign_attrs(control_note="Differences are paired.")
    made, chosen, colors = build_document(graph, scores, best=best)["methods"]
    assert made.startswith("One forward pass of model executed 69 operations; 10 of them were")
    assert scores.attrs["methods_text"] in made
    for part in ("Best op: the one named.", "biased upwards", "Differences are paired."):
        assert part in chosen
    assert "Intervals of held-out scores are over stimuli and subjects." in chosen
    assert colors.startswith("Colors in the graph: ")
    sentences = END.split(" ".join([made, chosen, colors]))
    assert len(sentences) == len(set(sentences))


def test_without_best_ops_nothing_is_said_of_a_choice(rng):
    graph = build_residual()
    text = " ".join(build_document(graph, fake_scores(graph, rng))["methods"])
    assert "all were scored" in text
    assert "eld-out" not in text
